#!/usr/bin/env bash
# Builds a program in a folder of its own, as a user would, on package client.
# Only our own modules are replaced. It fails if the program comes to require
# anything but franz-go, its messages and the codecs.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOWORK=off GOFLAGS=-mod=mod
cd "$work"
cat >go.mod <<EOF
module example.com/app

go 1.26.0

replace (
	github.com/lockstep-log/lockstep/client => $root/client
	github.com/lockstep-log/lockstep/protocol => $root/protocol
)
EOF
cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/lockstep-log/lockstep/client"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	cl, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"))
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New(cl)
	if err != nil {
		log.Fatal(err)
	}
	r, err := c.Append(context.Background(), "accounts", 0, client.Cond{Locks: []client.Lock{client.Write("acct:7").At(client.None)}},
		&kgo.Record{Value: []byte("100")})
	fmt.Println(r, err)
}
EOF
# The versions are those that client asks for.
franz=$(go mod edit -json "$root/client/go.mod" | sed -n '/"github.com\/twmb\/franz-go"/{n;s/.*"\(v[^"]*\)".*/\1/p}')
go mod edit -require "github.com/twmb/franz-go@$franz" -require github.com/lockstep-log/lockstep/client@v0.0.0
go mod tidy
go build -o /dev/null .
extra=$(go mod edit -json | sed -n 's/.*"Path": "\(.*\)",/\1/p' |
	grep -vxE 'github.com/(lockstep-log/lockstep/(client|protocol)|twmb/franz-go(/pkg/kmsg)?|klauspost/compress|pierrec/lz4/v4)' | grep -v '^example.com/app' || true)
if [ -n "$extra" ]; then
	echo "a program that imports client requires as well: $extra" >&2
	exit 1
fi
echo "outside: a program builds on package client and requires"
go mod edit -json | sed -n 's/.*"Path": "\(.*\)",/  \1/p' | sort -u | grep -v example.com
