#!/usr/bin/env bash
# Kafka's own command-line tools against Apache Kafka and against our broker.
# Both brokers are fresh and alone. session.txt is run against one, then the
# other; ids, times and ports are masked. What they print must be the same, or
# differ as differences.txt says, with the reason above each difference.
# LOCKSTEP=FILE is another broker than the one of make build.
set -uo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
export CACHE=$root/.cache/kafka-tools
ready_tries=300

work=$(mktemp -d)
mkdir -p "$CACHE"
pids=()
finish() {
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  rm -rf "$work"
}
trap finish EXIT

reason=$(bash setup.sh)
case $? in
0) ;;
3)
  echo "skip: Kafka's own tools: $(tail -n 1 <<<"$reason")"
  exit
  ;;
*) exit 1 ;;
esac

# free_ports N: ports of the loopback interface that nobody has now.
free_ports() {
  python3 -c 'import socket, sys
s = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(x.getsockname()[1] for x in s))' "$1"
}

# start_kafka starts Apache Kafka, broker and controller in one. Eligible leader replicas are off:
# with them it writes a setting of its own to the cluster.
start_kafka() {
  local port controller id
  read -r port controller < <(free_ports 2)
  kafka=127.0.0.1:$port
  sed -e "s|@port@|$port|; s|@controller@|$controller|g; s|@directory@|$work/kafka|" kafka.properties >"$work/kafka.properties"
  id=$("${java[@]}" kafka.tools.StorageTool random-uuid) &&
    "${java[@]}" kafka.tools.StorageTool format -t "$id" -c "$work/kafka.properties" --feature eligible.leader.replicas.version=0 >"$work/format.log" 2>&1 || {
    cat "$work/format.log"
    exit 1
  }
  "${java[@]}" kafka.Kafka "$work/kafka.properties" >"$work/kafka.log" 2>&1 &
  pids+=($!)
}

start_ours() {
  "${LOCKSTEP:-$root/bin/lockstep}" serve --data-dir "$work/ours" --listen 127.0.0.1:0 --http 127.0.0.1:0 --log-format json >"$work/ours.log" 2>&1 &
  pids+=($!)
  for _ in $(seq "$ready_tries"); do
    ours=$(sed -n 's/.*"bound":"\([^"]*\)".*/\1/p' "$work/ours.log" | head -n 1)
    [ -n "$ours" ] && return
    sleep 0.1
  done
  echo "the broker did not start:"
  cat "$work/ours.log"
  exit 1
}

java=(java -Xmx384m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$CACHE/jars/*:$CACHE/classes")
javac -cp "$CACHE/jars/*" -d "$CACHE/classes" Session.java || exit 1
start_kafka
start_ours
timeout -k 5 500 "${java[@]}" Session session.txt "$kafka" "$work/kafka.out" "$ours" "$work/ours.out" || {
  echo "the session did not end:"
  tail -n 3 "$work"/*.out "$work/kafka.log"
  exit 1
}

bash mask.sh "$work/kafka.out" "$kafka" "$work/kafka" >"$CACHE/kafka.txt"
bash mask.sh "$work/ours.out" "$ours" "$work/ours" >"$CACHE/ours.txt"
bash compare.sh "$CACHE/kafka.txt" "$CACHE/ours.txt"
