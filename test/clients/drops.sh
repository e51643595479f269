# drops [-note TEXT] TOPIC COMMAND...: an idempotent producer of the client's own whose
# connections are cut again and again, and the feature's line. Sourced by test.sh.
drops() {
  go build -o "$CACHE_ROOT/drops" ./drops
  LOCKSTEP=${LOCKSTEP:-$PWD/../../bin/lockstep} "$CACHE_ROOT/drops" -feature idempotent-drops "$@"
}
