#!/usr/bin/env bash
# Runs docker-compose.yml and hurts it: a broker is cut off from the others'
# network and another is killed, while bank transfers and numbered records are
# written from the host. `make compose-test` runs it; it takes about two minutes.
#
# Where no Docker engine runs it starts one of its own, which root can, and
# installs it on Debian. Where that cannot be, it says why and skips.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { echo "skip: compose-test: $*"; exit 0; }
step() { printf '%s  %s\n' "$(date +%T)" "$*"; }

work=$(mktemp -d)
engine="" # pid of an engine of our own
lockstep=$PWD/bin/lockstep
export COMPOSE_PROJECT_NAME=lockstep-test
export LOCKSTEP_BROKERS=localhost:19092,localhost:29092,localhost:39092

cleanup() {
  status=$?
  if [ $status -ne 0 ] && [ -n "${compose:-}" ]; then $compose logs --tail=30 2>&1 | tail -n 120 || true; fi
  if [ -n "${compose:-}" ]; then $compose down -v --timeout 10 >"$work/down" 2>&1 || true; fi
  if [ -n "$engine" ]; then
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
    ip link del docker0 2>/dev/null || true
  fi
  rm -rf "$work"
  exit $status
}
trap cleanup EXIT

install_engine() {
  command -v dockerd >/dev/null && command -v iptables >/dev/null && return
  [ "$(id -u)" = 0 ] || skip "no Docker engine runs, and only root can start one"
  command -v apt-get >/dev/null || skip "no Docker engine runs, and there is no apt-get to install one with"
  step "installing docker.io, docker-compose and iptables"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends docker.io docker-compose iptables; } >"$work/apt" 2>&1 ||
    skip "docker.io could not be installed: $(tail -n 1 "$work/apt")"
}

start_engine() {
  docker info >/dev/null 2>&1 && return
  install_engine
  mkdir -p "$work/data" "$work/exec"
  export DOCKER_HOST=unix://$work/docker.sock
  dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" -H "$DOCKER_HOST" >"$work/log" 2>&1 </dev/null &
  engine=$!
  for _ in $(seq 100); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$engine" 2>/dev/null || break
    sleep .2
  done
  skip "a Docker engine does not start here: $(tail -n 1 "$work/log")"
}

find_compose() {
  if docker compose version >/dev/null 2>&1; then compose="docker compose"; return; fi
  command -v docker-compose >/dev/null || install_engine
  command -v docker-compose >/dev/null || skip "there is neither docker compose nor docker-compose"
  compose=docker-compose
}

container() { $compose ps -q "$1"; }

# ready BROKER... waits until each says so. That is more than the image's health
# check asks, which is whether the process lives.
ready() {
  local until=$((SECONDS + 60))
  for broker in "$@"; do
    while :; do
      state=$(docker inspect -f '{{.State.Health.Status}}' "$(container "$broker")")
      [ "$state" = healthy ] && docker exec "$(container "$broker")" /lockstep health >"$work/ready" 2>&1 && break
      if [ $SECONDS -ge $until ]; then
        echo "$broker is still $state, and not ready, after a minute"
        cat "$work/ready"
        return 1
      fi
      sleep .2
    done
  done
}

# number FROM TO writes lines into the topic numbers, and fails if one is not
# acknowledged.
number() { seq "$1" "$2" | timeout 60 "$lockstep" produce numbers -p 0 >"$work/produced"; }

start_engine
find_compose
step "image"
deploy/image.sh bin/lockstep lockstep:dev >"$work/image" 2>&1 || { cat "$work/image"; exit 1; }
step "up"
$compose up -d --no-build >"$work/up" 2>&1 || { cat "$work/up"; exit 1; }
network=${COMPOSE_PROJECT_NAME}_default
ready broker1 broker2 broker3
step "three brokers are ready"

"$lockstep" topic create numbers -p 1 -r 3 >/dev/null
"$lockstep" topic create transfers -p 1 -r 3 >/dev/null
number 1 1000
"$lockstep" demo bank --topic transfers --duration 40s >"$work/bank" 2>&1 &
bank=$!

step "broker2 leaves the network"
docker network disconnect "$network" "$(container broker2)"
number 1001 2000
sleep 4
number 2001 3000
step "broker2 is back"
docker network connect --alias broker2 "$network" "$(container broker2)"
ready broker2
step "broker1 is killed"
docker kill -s KILL "$(container broker1)" >/dev/null
number 3001 4000
docker start "$(container broker1)" >/dev/null
ready broker1 broker2 broker3
step "broker1 is back"
number 4001 5000

wait "$bank" || { cat "$work/bank"; exit 1; }
step "the bank's verdict: $(tail -n 1 "$work/bank")"
"$lockstep" consume numbers -p 0 -o start -e -f '%v\n' >"$work/consumed"
diff -q <(seq 1 5000) "$work/consumed"
"$lockstep" audit transfers
if command -v kcat >/dev/null; then
  kcat -C -b localhost:39092 -t numbers -o -1 -c 1 -q | grep -qx 5000
  step "kcat reads the last record from the host"
fi
step "all 5000 records are there, once and in order; the audit is clean"
