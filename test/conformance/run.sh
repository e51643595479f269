#!/usr/bin/env bash
# The scenarios of scenarios.json in Go, Python and Java, with the libraries as they are packaged; and each library's own tests,
# which run what its README shows. Skips a language with the reason where a tool is missing.
#
#   run.sh [go] [python] [java]     those, or all
set -uo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
export LOCKSTEP_BINARY=$root/bin/lockstep CACHE_ROOT=$root/.cache/clients
[ -x "$LOCKSTEP_BINARY" ] || { echo "there is no bin/lockstep: make build"; exit 1; }
[ $# -gt 0 ] || set -- go python java
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# count LANGUAGE PASSED FAILED
count() {
  echo "$1: $2 passed, $3 failed"
  passed=$((passed + $2)) failed=$((failed + $3))
  [ "$3" = 0 ] || tail -n 60 "$log"
}

skip() {
  echo "skip: $1"
  skipped=$((skipped + 1))
}

run_go() {
  (cd "$root" && timeout 600 go test ./test/conformance -count=1 -v) >"$log" 2>&1
  local bad=$?
  count go "$(grep -c '^    --- PASS' "$log")" "$([ $bad = 0 ] && echo 0 || grep -c -e '^    --- FAIL' -e '^FAIL' "$log")"
}

run_python() {
  local venv=$CACHE_ROOT/python-library wheel
  bash "$root/clients/build.sh" python || { count python 0 1; return; }
  wheel=$(ls "$root"/clients/python/dist/*.whl 2>/dev/null) || { skip "python: there is no wheel"; return; }
  [ -x "$venv/bin/pip" ] || python3 -m venv "$venv" || { skip "python: no virtual environment"; return; }
  "$venv/bin/pip" install -q --force-reinstall --no-deps "$wheel" && "$venv/bin/pip" install -q "$wheel[test]" ||
    { skip "python: pip could not install the wheel"; return; }
  (cd "$root/clients/python" && "$venv/bin/mypy" --no-incremental) >"$log" 2>&1 || { count mypy 0 1; return; }
  (cd "$root/clients/python" && timeout 900 "$venv/bin/python" -m pytest -p no:cacheprovider) >"$log" 2>&1
  local bad=$?
  count python "$(grep -oE '[0-9]+ passed' "$log" | tail -n 1 | grep -oE '[0-9]+' || echo 0)" "$([ $bad = 0 ] && echo 0 || echo 1)"
}

run_java() {
  command -v mvn >/dev/null && command -v javac >/dev/null || { skip "java: it needs mvn and javac (packages maven, openjdk-17-jdk-headless)"; return; }
  timeout 900 mvn -B -f "$root/clients/java/pom.xml" package >"$log" 2>&1
  local bad=$? run wrong
  read -r run wrong < <(sed -nE 's/.*Tests run: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+), Skipped: [0-9]+$/\1 \2 \3/p' "$log" | tail -n 1)
  read -r -a wrong <<<"${wrong:-1 0}"
  count java $((${run:-0} - wrong[0] - wrong[1])) "$([ $bad = 0 ] && echo 0 || echo $((wrong[0] + wrong[1] > 0 ? wrong[0] + wrong[1] : 1)))"
}

for language in "$@"; do "run_$language"; done
[ $skipped = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
