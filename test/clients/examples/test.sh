# The bank of examples/ in every language that could be set up, all at once on
# one topic. What the other folders have installed is used; the folders java,
# kafka-python and kafkajs run before this one.
root=$(cd ../.. && pwd)
lockstep="$root/bin/lockstep"
topic=examples-bank
transfers=25
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

"$lockstep" topic create $topic -p 1 --config conflict.policy=required -b "$BROKER" >&2 || exit 1
printf 'version\tok\tthose of the folders\n'

# start NAME COMMAND...: runs an example in the background.
names=()
start() {
  local name=$1
  shift
  names+=("$name")
  { timeout 120 "$@" "$BROKER" $topic "$name" $transfers >"$out/$name" 2>"$out/$name.err"; echo $? >"$out/$name.code"; } &
}
absent() { printf '%s\tskip\t%s\n' "$1" "$2"; }

if [ -d "$CACHE_ROOT/java/jars" ] && javac -cp "$CACHE_ROOT/java/jars/*" -d "$CACHE/classes" "$root/examples/java/Bank.java" >&2; then
  start java java -cp "$CACHE_ROOT/java/jars/*:$CACHE/classes" Bank
else
  absent java "the folder java did not install kafka-clients"
fi
if [ -x "$CACHE_ROOT/kafka-python/venv/bin/python" ]; then
  start python "$CACHE_ROOT/kafka-python/venv/bin/python" "$root/examples/python/bank.py"
else
  absent python "the folder kafka-python did not install kafka-python"
fi
if [ -d "$CACHE_ROOT/kafkajs/node_modules" ]; then
  NODE_PATH="$CACHE_ROOT/kafkajs/node_modules" start node node "$root/examples/node/bank.cjs"
else
  absent node "the folder kafkajs did not install kafkajs"
fi
if gcc -O2 -Wall -Werror -Wno-misleading-indentation -o "$CACHE/bank" "$root/examples/c/bank.c" -lrdkafka 2>"$out/c.err"; then
  start c "$CACHE/bank"
elif echo '#include <librdkafka/rdkafka.h>' | gcc -E - >/dev/null 2>&1; then
  cat "$out/c.err" >&2
  printf 'c\tFAIL\tit does not compile\n'
else
  absent c "librdkafka-dev is not installed, and could not be"
fi
wait

done=0
for name in "${names[@]}"; do
  if [ "$(cat "$out/$name.code")" = 0 ] && grep -q "total 500$" "$out/$name"; then
    done=$((done + transfers))
    grep -h "first refusal" "$out/$name.err" >&2
    printf '%s\tok\t%d transfers beside the others\n' "$name" $transfers
  else
    cat "$out/$name" "$out/$name.err" >&2
    printf '%s\tFAIL\texit code %s: %s\n' "$name" "$(cat "$out/$name.code")" "$(tail -n 1 "$out/$name.err" | tr '\t' ' ')"
  fi
done

# Nobody was overdrawn on the way, nothing was lost or doubled, and every
# admitted lock request was right.
"$lockstep" consume $topic -b "$BROKER" -e -f '%v\n' | awk -v want=$((done + 5)) '
  { n++; balance[$1] -= $3; balance[$2] += $3 }
  $1 != "cash" && balance[$1] < 0 { print "line " n ": " $1 " is overdrawn"; bad = 1 }
  END { if (n != want) { print n " entries, want " want; bad = 1 } exit bad }' >"$out/log" &&
  "$lockstep" audit $topic -b "$BROKER" >&2 && printf 'log\tok\tno account is overdrawn; audit is clean\n' ||
  printf 'log\tFAIL\t%s\n' "$(head -n 1 "$out/log")"
