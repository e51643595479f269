#!/usr/bin/env bash
# Builds and packages the client libraries of other languages, as far as this machine can; says what it skips and why.
#
#   build.sh [python] [java]     those, or all: wheel and sdist in clients/python/dist, jars in clients/java/target
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd .. && pwd)
tools=$root/.cache/clients/python-build
[ $# -gt 0 ] || set -- python java

build_python() {
  command -v python3 >/dev/null || { echo "skip: clients/python: python3 is not installed"; return; }
  [ -x "$tools/bin/pip" ] || python3 -m venv "$tools" || { echo "skip: clients/python: python3 makes no virtual environment"; return; }
  "$tools/bin/pip" install -q build==1.3.0 hatchling==1.27.0 || { echo "skip: clients/python: pip brought no build tools"; return; }
  rm -rf python/dist
  "$tools/bin/python" -m build --no-isolation --outdir python/dist python >"$tools/log" 2>&1 || { cat "$tools/log"; return 1; }
  (cd python/dist && for f in *; do echo "built clients/python/dist/$f"; done)
}

build_java() {
  command -v mvn >/dev/null && command -v javac >/dev/null || { echo "skip: clients/java: it needs mvn and javac (packages maven, openjdk-17-jdk-headless)"; return; }
  mvn -q -B -f java/pom.xml -DskipTests package
  (cd java/target && for f in *.jar; do echo "built clients/java/target/$f"; done)
}

for language in "$@"; do "build_$language"; done
