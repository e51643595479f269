package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/child"
	"github.com/lockstep-log/lockstep/test/freeport"
)

// startChild runs a command line with its places filled in, and returns when
// the server answers.
func startChild(ctx context.Context, line, dir string) (*child.Child, error) {
	addr, err := freeport.Loopback()
	if err != nil {
		return nil, err
	}
	http, err := freeport.Loopback()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil { // the floor program makes none
		return nil, err
	}
	fill := strings.NewReplacer("{dir}", data, "{listen}", addr, "{http}", http, "{self}", self)
	words := strings.Fields(line)
	for i, w := range words {
		words[i] = fill.Replace(w)
	}
	return child.Start(ctx, child.Server{Words: words, Dir: dir, Addr: addr, Ready: answers})
}

// answers asks for API versions.
func answers(ctx context.Context, addr string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RetryTimeout(time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.Ping(ctx)
}
