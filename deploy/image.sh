#!/usr/bin/env bash
# Makes the image from a static binary of the host: image.sh BINARY NAME:TAG.
# It is the last stage of the Dockerfile, without an image to build in.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1 name=$2
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir -p "$context/out/data"
cp "$binary" "$context/out/lockstep"
awk '/^FROM scratch/ { found = 1 } found' Dockerfile | sed 's/--from=build /''/; s,COPY \(.*\)/out/,COPY \1out/,' >"$context/Dockerfile"
docker build -q -t "$name" "$context"
