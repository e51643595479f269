package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 10 * time.Second
	tailBytes   = 2000 // of a server's output, shown when it fails
)

// process is a server on loopback and its data directory. One goroutine uses
// it; stop ends it and removes the data.
type process struct {
	cmd   *exec.Cmd
	dir   string
	addr  string
	ended chan error // receives what Wait returned, once
}

// system is a kind of server.
type system struct {
	name  string
	line  func(o options, addr, http, dir string, fsync bool) ([]string, error)
	ready func(ctx context.Context, addr string) error
	// place makes a topic or stream, and a function that removes it.
	place func(ctx context.Context, addr, name string, fsync bool) (remove func(context.Context) error, err error)
}

// start starts a server in a directory and returns when it answers.
func (s *system) start(ctx context.Context, o options, dir string, fsync bool) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	http, err := freeAddr()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	words, err := s.line(o, addr, http, data, fsync)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, words[0], words[1:]...), dir: dir, addr: addr, ended: make(chan error, 1)}
	if err := p.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := p.await(ctx, s.ready); err != nil {
		err = fmt.Errorf("%s: %w\n%s", s.name, err, p.tail())
		p.stop()
		return nil, err
	}
	return p, nil
}

// freeAddr is a loopback address that nobody listens on now.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

func (p *process) start() error {
	out, err := os.Create(p.output())
	if err != nil {
		return err
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopWithin
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() { p.ended <- p.cmd.Wait() }() // stop waits for it
	return nil
}

// await asks until the server answers.
func (p *process) await(ctx context.Context, ready func(context.Context, string) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := ready(ctx, p.addr)
		if err == nil {
			return nil
		}
		select {
		case end := <-p.ended:
			p.ended <- end
			return fmt.Errorf("ended before it was ready: %w", end)
		case <-ctx.Done():
			return fmt.Errorf("not ready within %s: %w", readyWithin, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) output() string { return filepath.Join(p.dir, "output") }

// tail is the end of what the server printed.
func (p *process) tail() string {
	b, err := os.ReadFile(p.output())
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b[max(0, len(b)-tailBytes):]))
}

// stop ends the process, gently and then not, and removes its directory.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	_ = os.RemoveAll(p.dir)
}

// servers are those of one workload, started when they are needed.
type servers struct {
	options options
	dir     string
	fsync   bool
	running map[*system]*process
}

func (s *servers) get(ctx context.Context, sys *system) (*process, error) {
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
		p.stop()
	}
	clear(s.running)
}
