# What the findings share; sourced. It makes $work, a temporary folder that is gone at the end, and stops what was started.
#
# FINDINGS_CACHE=FOLDER keeps what was installed for the next run. Otherwise it is installed into $work.
set -uo pipefail
work=$(mktemp -d)
cache=${FINDINGS_CACHE:-$work/installed}
mkdir -p "$cache"
pids=()
finish() {
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  rm -rf "$work"
}
trap finish EXIT

# cannot WHY: the finding says nothing on this machine.
cannot() {
  echo "cannot run: $*"
  exit 3
}

needs() {
  local tool
  for tool in "$@"; do command -v "$tool" >/dev/null || cannot "$tool is not installed"; done
}

# expect SOFTWARE EXPECTED: what it is about, and what one would expect.
expect() {
  echo "software: $1"
  echo "expected: $2"
}

# verdict SEEN PATTERN...: prints what was seen. Each pattern (extended, of one line) must match some line of it: then the
# surprise is still there. Otherwise the software has changed, and the script fails.
verdict() {
  local seen=$1 pattern changed=0
  shift
  echo "seen:"
  sed 's/^/  /' <<<"$seen"
  for pattern in "$@"; do
    grep -Eq -- "$pattern" <<<"$seen" || {
      echo "changed: nothing seen matches  $pattern"
      changed=1
    }
  done
  [ "$changed" = 0 ] && echo "still true"
  exit "$changed"
}

kafka_version=4.3.1

# java_jars NAME GROUP:ARTIFACT:VERSION...: the artifacts with all that they need, from Maven. Sets $jars.
java_jars() {
  needs java mvn
  jars=$cache/$1
  shift
  [ -f "$jars/.whole" ] && return
  mkdir -p "$jars"
  local pom=$work/pom.xml artifact group name version
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>findings</groupId><artifactId>findings</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
    for artifact in "$@" org.slf4j:slf4j-nop:1.7.36; do
      IFS=: read -r group name version <<<"$artifact"
      echo "<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$pom"
  timeout 900 mvn -q -B -f "$pom" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$jars" >"$work/mvn.log" 2>&1 || cannot "Maven brought no $*: $(tail -n 1 "$work/mvn.log")"
  touch "$jars/.whole"
}

run_java() { java -Xmx384m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$jars/*" "$@"; }

# start_kafka [SETTING=VALUE...]: Apache Kafka, one broker and controller, fresh, on loopback. Sets $kafka, its address.
start_kafka() {
  java_jars "kafka-$kafka_version" "org.apache.kafka:kafka_2.13:$kafka_version" "org.apache.kafka:kafka-tools:$kafka_version"
  needs python3
  local port controller
  read -r port controller < <(python3 -c 'import socket
s = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(x.getsockname()[1] for x in s))')
  kafka=127.0.0.1:$port
  printf '%s\n' "process.roles=broker,controller" "node.id=1" "controller.quorum.voters=1@127.0.0.1:$controller" \
    "controller.listener.names=CONTROLLER" "listeners=PLAINTEXT://$kafka,CONTROLLER://127.0.0.1:$controller" \
    "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT" "log.dirs=$work/kafka" \
    "offsets.topic.replication.factor=1" "transaction.state.log.replication.factor=1" "transaction.state.log.min.isr=1" \
    "offsets.topic.num.partitions=1" "transaction.state.log.num.partitions=1" "group.initial.rebalance.delay.ms=0" "$@" >"$work/kafka.properties"
  run_java kafka.tools.StorageTool format -t "$(run_java kafka.tools.StorageTool random-uuid)" -c "$work/kafka.properties" >"$work/format.log" 2>&1 ||
    cannot "Kafka's storage was not formatted: $(tail -n 1 "$work/format.log")"
  run_java kafka.Kafka "$work/kafka.properties" >"$work/kafka.log" 2>&1 &
  pids+=($!)
  local _
  for _ in $(seq 300); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
    sleep 0.2
  done
  cannot "Kafka did not start: $(tail -n 1 "$work/kafka.log")"
}

# topic NAME [SETTING=VALUE...]: makes a topic of one partition.
topic() {
  local name=$1 settings=()
  shift
  for s in "$@"; do settings+=(--config "$s"); done
  run_java org.apache.kafka.tools.TopicCommand --bootstrap-server "$kafka" --create --topic "$name" "${settings[@]}" >"$work/topic.log" 2>&1 ||
    cannot "topic $name was not made: $(tail -n 1 "$work/topic.log")"
}

# node_packages NAME PACKAGE@VERSION...: from npm, and a Node for all of them. Sets $node and $node_home, in which scripts
# find the packages.
node_packages() {
  needs npm
  node=$cache/node/node_modules/node/bin/node
  [ -x "$node" ] || npm install --prefix "$cache/node" --no-fund --no-audit --loglevel error node@22.22.0 >"$work/npm.log" 2>&1 ||
    cannot "npm brought no Node: $(tail -n 1 "$work/npm.log")"
  node_home=$cache/$1
  shift
  [ -f "$node_home/.whole" ] && return
  npm install --prefix "$node_home" --no-fund --no-audit --loglevel error "$@" >"$work/npm.log" 2>&1 || cannot "npm brought no $*: $(tail -n 1 "$work/npm.log")"
  touch "$node_home/.whole"
}

# python_packages NAME PACKAGE==VERSION...: from PyPI. Sets $python.
python_packages() {
  needs python3
  local home=$cache/$1
  shift
  python=$home/bin/python
  [ -f "$home/.whole" ] && return
  python3 -m venv "$home" >"$work/venv.log" 2>&1 || cannot "python3 makes no virtual environment"
  "$home/bin/pip" install -q "$@" >"$work/pip.log" 2>&1 || cannot "pip brought no $*: $(tail -n 1 "$work/pip.log")"
  touch "$home/.whole"
}

# go_module NAME MODULE@VERSION...: a module of its own that has them. Sets $go_home, for a main.go.
go_module() {
  needs go
  go_home=$work/$1
  shift
  mkdir -p "$go_home"
  (cd "$go_home" && go mod init finding && go get "$@") >"$work/go.log" 2>&1 || cannot "go brought no $*: $(tail -n 1 "$work/go.log")"
}
