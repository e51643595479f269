# drops [-note TEXT] TOPIC COMMAND...: an idempotent producer of the client's own whose
# connections are cut again and again, and the feature's line. Sourced by test.sh.
drops() { trouble -feature idempotent-drops "$@"; }

# made_again [-note TEXT] TOPIC COMMAND...: the same producer, whose topic is deleted and made again.
made_again() { trouble -feature topic-made-again -made-again "$@"; }

trouble() {
  go build -o "$CACHE_ROOT/drops" ./drops
  LOCKSTEP=${LOCKSTEP:-$PWD/../../bin/lockstep} "$CACHE_ROOT/drops" "$@"
}
