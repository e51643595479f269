package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 10 * time.Second
	tailBytes   = 2000 // of a server's output, shown when it fails
)

// child is a server process on loopback and its data directory. One goroutine
// uses it; stop ends the process and removes the data.
type child struct {
	cmd   *exec.Cmd
	dir   string
	addr  string
	ended chan error // receives what Wait returned, once
}

// startChild runs a command line with its places filled in, and returns when
// the server answers.
func startChild(ctx context.Context, line, dir string) (*child, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	http, err := freeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, err
	}
	fill := strings.NewReplacer("{dir}", filepath.Join(dir, "data"), "{listen}", addr, "{http}", http, "{self}", self)
	words := strings.Fields(line)
	for i, w := range words {
		words[i] = fill.Replace(w)
	}
	c := &child{cmd: exec.CommandContext(ctx, words[0], words[1:]...), dir: dir, addr: addr, ended: make(chan error, 1)}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.ready(ctx); err != nil {
		err = fmt.Errorf("%s: %w\n%s", words[0], err, c.tail())
		c.stop()
		return nil, err
	}
	return c, nil
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

func (c *child) start() error {
	out, err := os.Create(c.output())
	if err != nil {
		return err
	}
	defer out.Close()
	c.cmd.Stdout, c.cmd.Stderr = out, out
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = stopWithin
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() { c.ended <- c.cmd.Wait() }() // stop waits for it
	return nil
}

func (c *child) output() string { return filepath.Join(c.dir, "output") }

// ready asks for API versions until they are answered.
func (c *child) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addr), kgo.RetryTimeout(time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		if cl.Ping(ctx) == nil {
			return nil
		}
		select {
		case err := <-c.ended:
			c.ended <- err
			return fmt.Errorf("ended before it was ready: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("not ready within %s: %w", readyWithin, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tail is the end of what the server printed.
func (c *child) tail() string {
	b, err := os.ReadFile(c.output())
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b[max(0, len(b)-tailBytes):]))
}

// alive reports whether the process has not ended by itself.
func (c *child) alive() bool {
	select {
	case err := <-c.ended:
		c.ended <- err
		return false
	default:
		return true
	}
}

// holds is the size of the data directory.
func (c *child) holds() int64 {
	var n int64
	_ = filepath.WalkDir(c.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // it may be gone by now
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

// stop ends the process, gently and then not, and removes its directory.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(stopWithin):
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
	_ = os.RemoveAll(c.dir)
}
