#!/usr/bin/env bash
# Foreign clients against one real broker.
#
#   run.sh [NAME...]     the named folders, or all of them
#
# Each folder has setup.sh, which installs what the client needs or prints why
# it cannot and exits 3, and test.sh, which prints a line for each feature:
# name, ok or skip or FAIL, note. A full run writes docs/compatibility.md.
# BROKER=host:port uses a running broker, whose topics must be fresh.
set -uo pipefail
cd "$(dirname "$0")"
here=$PWD
root=$(cd ../.. && pwd)
export SAMPLES=$here/samples.txt PYTHONPATH=$here BROKER=${BROKER:-}
export CACHE_ROOT=$root/.cache/clients
all=(kcat walk franz-go sarama kafka-go librdkafka java kafka-python aiokafka kafkajs platformatic corpus crossread secure examples)
setup_seconds=600 # downloads included
test_seconds=450 # a killed member of the consumer protocol is missed after 45 s

work=$(mktemp -d)
mkdir -p "$CACHE_ROOT"
broker_pid=
finish() {
  if [ -n "$broker_pid" ]; then
    kill "$broker_pid" 2>/dev/null
    wait "$broker_pid" 2>/dev/null
  fi
  rm -rf "$work"
}
trap finish EXIT

start_broker() {
  local log=$work/broker.log http=
  "$root/bin/lockstep" serve --data-dir "$work/data" --listen 127.0.0.1:0 --http 127.0.0.1:0 --log-format json >"$log" 2>&1 &
  broker_pid=$!
  for _ in $(seq 300); do
    http=$(sed -n 's/.*"address":"\(http[^"]*\)".*/\1/p' "$log" | head -n 1)
    if [ -n "$http" ] && "$root/bin/lockstep" health --http "${http#http://}" >"$work/health" 2>&1; then
      BROKER=$(sed -n 's/.*"bound":"\([^"]*\)".*/\1/p' "$log" | head -n 1)
      return
    fi
    kill -0 "$broker_pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "the broker did not become ready:" >&2
  cat "$log" >&2
  exit 1
}

# run_client appends "name version feature result note" to the results.
run_client() {
  local name=$1 reason code
  export CACHE=$CACHE_ROOT/$name
  mkdir -p "$CACHE"
  if [ -f "$name/setup.sh" ]; then
    reason=$(timeout "$setup_seconds" bash "$name/setup.sh" 2>"$work/$name.err")
    code=$?
    if [ $code -ne 0 ]; then
      reason=${reason:-"$(tail -n 1 "$work/$name.err")"}
      echo "skip: $name: $(tail -n 1 <<<"$reason")"
      printf '%s\t-\tsetup\tskip\t%s\n' "$name" "$(tail -n 1 <<<"$reason")" >>"$work/results"
      return
    fi
  fi
  timeout -k 5 "$test_seconds" bash "$name/test.sh" >"$work/$name.out" 2>"$work/$name.err"
  code=$?
  awk -F '\t' -v OFS='\t' -v name="$name" '
    $2 !~ /^(ok|skip|FAIL)$/ { next }
    $1 == "version" { version = $3; next }
    { print name, (version == "" ? "-" : version), $1, $2, $3 }' "$work/$name.out" >"$work/$name.lines"
  if [ $code -ne 0 ] && ! grep -qP '\tFAIL\t' "$work/$name.lines"; then
    printf '%s\t-\tfinish\tFAIL\ttest.sh ended with exit code %d\n' "$name" $code >>"$work/$name.lines"
  fi
  cat "$work/$name.lines" >>"$work/results"
  awk -F '\t' '{ n[$4]++ } $4 == "FAIL" { bad = bad "\n  FAIL " $3 ": " $5 }
    END { printf "%s %s: %d ok, %d skipped, %d failed%s\n", $1, $2, n["ok"], n["skip"], n["FAIL"], bad }' "$work/$name.lines"
  if grep -qP '\tFAIL\t' "$work/$name.lines"; then
    tail -n 30 "$work/$name.err" | sed 's/^/    /'
  fi
}

if [ -z "$BROKER" ]; then
  start_broker
fi
export BROKER
: >"$work/results"
names=("$@")
[ $# -eq 0 ] && names=("${all[@]}")
for name in "${names[@]}"; do
  run_client "$name"
done

bash table.sh "$work/results" >"$work/compatibility.md"
[ $# -eq 1 ] || sed -n '/^| feature/,/^$/p' "$work/compatibility.md"
if [ $# -eq 0 ] && ! cmp -s "$work/compatibility.md" "$root/docs/compatibility.md"; then
  cp "$work/compatibility.md" "$root/docs/compatibility.md"
  echo "docs/compatibility.md has changed"
fi
failed=$(grep -cP '\tFAIL\t' "$work/results")
if [ "$failed" -gt 0 ] && [ -f "$work/broker.log" ]; then
  echo "the broker's log ends:"
  tail -n 40 "$work/broker.log"
fi
awk -F '\t' '{ n[$4]++ } END {
  if (n["skip"]) printf "%d skipped\n", n["skip"]
  printf "%d passed, %d failed\n", n["ok"], n["FAIL"] }' "$work/results"
[ "$failed" -eq 0 ]
