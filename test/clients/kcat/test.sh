# Which features of the broker the kcat of the distribution uses.
set -u
. ./feature.sh
produce() { kcat -P -b "$BROKER" -p 0 -t "$@"; }
consume() { kcat -C -b "$BROKER" -p 0 -e -q -t "$@"; }
version=$(kcat -V | sed -n 's/^Version \([^ ]*\).*librdkafka \([^ ]*\).*/\1 (librdkafka \2)/p')
printf 'version\tok\t%s\n' "$version"

# arguments sets args and writes what goes in and what must come out of one
# sample. An argument cannot hold a zero byte: such a header is not for kcat.
arguments() { # times key value headers
  local n item value
  args=()
  [[ $2 == null || $3 == null ]] && args+=(-Z)
  { word "$2"; printf '=:='; for ((n = 0; n < $1; n++)); do word "$3"; done; } >in
  printf '%s|%s|' "$(size 1 "$2")" "$(size "$1" "$3")" >>want
  { word "$2"; printf '|'; for ((n = 0; n < $1; n++)); do word "$3"; done; printf '|'; } >>want
  if [[ $4 != none ]]; then
    for item in ${4//,/ }; do
      value=${item#*:}
      [[ $value == 00* ]] && return 1
      [[ $value == null ]] && args+=(-H "${item%%:*}") || args+=(-H "${item%%:*}=$(word "$value")")
      [[ $item == "${4%%,*}" ]] || printf ',' >>want
      [[ $value == null ]] && value=4e554c4c # kcat prints NULL
      { printf '%s=' "${item%%:*}"; word "$value"; } >>want
    done
  fi
  printf '<end>' >>want
}

codec() {
  local topic=kcat-codec-$1 times key value headers args
  : >want
  while read -r times key value headers; do
    cp want before
    arguments "$times" "$key" "$value" "$headers" || { mv before want; continue; }
    produce "$topic" -z "$1" -K '=:=' -D '<end>' "${args[@]}" <in || return
  done < <(grep -v '^#' "$SAMPLES")
  consume "$topic" -o beginning -f '%K|%S|%k|%s|%h<end>' >got && cmp got want && echo "a header with a zero byte cannot be given on its command line"
}

acks() { echo one | produce "kcat-acks-$1" -X "acks=$1" && equal "$(consume "kcat-acks-$1")" one; }

idempotent() {
  seq 0 499 >want
  produce kcat-idempotent -X enable.idempotence=true -X batch.num.messages=1 -X linger.ms=0 <want || return
  consume kcat-idempotent >got && cmp got want
}

list() { kcat -L -b "$BROKER" -t kcat-positions | grep -F 'topic "kcat-positions" with 1 partitions' >/dev/null; }

send() { produce kcat-locks "${@:2}" <<<"$1" 2>stderr; }

refused() { # code, headers
  local answer
  send refused "${@:2}" && { echo "not refused"; return 1; }
  answer=$(sed -n 's/^% Delivery failed for message: //p' stderr)
  equal "$answer" "$1" && echo "exit 1, $answer"
}

after_conflict() {
  send second -H lock-write=acct:7 -H lock-basis=0 && equal "$(consume kcat-locks)" $'first\nsecond' && echo "every call is a producer of its own"
}

once() {
  send third -H lock-id=req-1 && send third -H lock-id=req-1 && equal "$(consume kcat-locks -o 2 -f '%o %s\n')" "2 third"
}

cd "$(mktemp -d)" || exit
trap 'rm -rf "$PWD"' EXIT
for name in none gzip snappy lz4 zstd; do check "codec-$name" codec "$name"; done
for name in 0 1 all; do check "acks-$name" acks "$name"; done
check idempotent idempotent
for f in idempotent-drops topic-made-again; do printf '%s\tskip\tit does not say which records were acknowledged\n' "$f"; done
echo zero | produce kcat-positions
sleep 0.05
since=$(date +%s%3N)
printf 'one\ntwo\nthree\n' | produce kcat-positions
check from-beginning equal_to $'zero\none\ntwo\nthree' consume kcat-positions -o beginning
check from-offset equal_to $'two\nthree' consume kcat-positions -o 2
check from-timestamp equal_to $'one\ntwo\nthree' consume kcat-positions -o "s@$since"
printf 'create\tskip\tit has no such command\n'
check list list
printf 'delete\tskip\tit has no such command\n'
printf 'group\tskip\tits members commit by the clock, and cannot be asked to\n'
printf 'group-848\tskip\tits members commit by the clock, and cannot be asked to\n'
send first -H lock-write=acct:7 -H lock-basis=none
check conflict refused "Broker: Policy violation" -H lock-write=acct:7 -H lock-basis=none
check after-conflict after_conflict
printf 'conflict-in-flight\tskip\tevery call is a producer of its own\n'
check malformed refused "Broker: Broker failed to validate record" -H lock-wirte=acct:7
check lock-acks-1 refused "Broker: Invalid required acks value" -X acks=1 -H lock-write=acct:7 -H lock-basis=1
check append-once once
