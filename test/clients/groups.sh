# group FEATURE TOPIC COMMAND...: members of the client's own come and go, and the feature's line.
# Sourced by test.sh.
group() {
  local feature=$1 topic=$2
  shift 2
  go build -o "$CACHE_ROOT/groups" ./groups
  "$CACHE_ROOT/groups" -feature "$feature" "$topic" "$@"
}
