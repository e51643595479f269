# need COMMAND PACKAGE...: the command, installed from the distribution where it
# is missing. Sourced by setup.sh; exits 3 with the reason when there is no way.
need() {
  local command=$1
  shift
  command -v "$command" >/dev/null && return
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "$command is not installed, and only root with apt-get can install it (package $*)"
    exit 3
  fi
  apt-get install -y --no-install-recommends "$@" >&2 ||
    { apt-get update >&2 && apt-get install -y --no-install-recommends "$@" >&2; } || {
    echo "$command is not installed, and apt-get install $* failed"
    exit 3
  }
}

# once FILE COMMAND...: runs the command unless it has succeeded with this FILE before.
once() {
  local file=$1 stamp=$CACHE/installed
  shift
  cmp -s "$file" "$stamp" && return
  "$@" >&2 || {
    echo "could not install: $*"
    exit 3
  }
  cp "$file" "$stamp"
}
