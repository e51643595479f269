package main

import (
	"context"
	"path/filepath"
	"strconv"

	"github.com/lockstep-log/lockstep/test/child"
	"github.com/lockstep-log/lockstep/test/freeport"
)

// system is a kind of server.
type system struct {
	name  string
	line  func(o options, addr, http, dir string, fsync bool) ([]string, error)
	ready func(ctx context.Context, addr string) error
	// place makes a topic or stream, and a function that removes it.
	place func(ctx context.Context, addr, name string, fsync bool) (remove func(context.Context) error, err error)
}

// start starts a server in a directory and returns when it answers.
func (s *system) start(ctx context.Context, o options, dir string, fsync bool) (*child.Child, error) {
	addr, err := freeport.Loopback()
	if err != nil {
		return nil, err
	}
	http, err := freeport.Loopback()
	if err != nil {
		return nil, err
	}
	words, err := s.line(o, addr, http, filepath.Join(dir, "data"), fsync)
	if err != nil {
		return nil, err
	}
	return child.Start(ctx, child.Server{Words: words, Dir: dir, Addr: addr, Ready: s.ready})
}

// servers are those of one workload, started when they are needed.
type servers struct {
	options options
	dir     string
	fsync   bool
	running map[*system]*child.Child
}

func (s *servers) get(ctx context.Context, sys *system) (*child.Child, error) {
	if p := s.running[sys]; p != nil {
		return p, nil
	}
	p, err := sys.start(ctx, s.options, filepath.Join(s.dir, sys.name+"-"+strconv.FormatBool(s.fsync)), s.fsync)
	if err == nil {
		s.running[sys] = p
	}
	return p, err
}

func (s *servers) stop() {
	for _, p := range s.running {
		p.Stop()
	}
	clear(s.running)
}
