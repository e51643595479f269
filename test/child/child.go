// Package child runs a server that is measured or hurt as a process of its own.
package child

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 10 * time.Second
	askEvery    = 20 * time.Millisecond
	tailBytes   = 2000 // of a server's output, shown when it fails
)

// Child is a server's process, and the directory that holds its data and what
// it prints. One goroutine uses it.
type Child struct {
	Addr string // where it listens

	cmd   *exec.Cmd
	dir   string
	ended chan error // receives what Wait returned, once
}

// Server is what to start: a command line, a directory for it, which is made,
// and how to ask whether it answers at its address.
type Server struct {
	Words []string
	Dir   string
	Addr  string
	Ready func(ctx context.Context, addr string) error
}

// Start returns when the server answers. It ends with ctx, or by Stop. After an
// error nothing of it is left.
func Start(ctx context.Context, s Server) (*Child, error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, err
	}
	c := &Child{Addr: s.Addr, cmd: exec.CommandContext(ctx, s.Words[0], s.Words[1:]...), dir: s.Dir, ended: make(chan error, 1)}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.Dir))
	}
	if err := c.await(ctx, s.Ready); err != nil {
		err = fmt.Errorf("%s: %w\n%s", s.Words[0], err, c.Tail())
		c.Stop()
		return nil, err
	}
	return c, nil
}

func (c *Child) start() error {
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
	go func() { c.ended <- c.cmd.Wait() }() // Stop waits for it
	return nil
}

// await asks until the server answers.
func (c *Child) await(ctx context.Context, ready func(context.Context, string) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := ready(ctx, c.Addr)
		if err == nil {
			return nil
		}
		select {
		case end := <-c.ended:
			c.ended <- end
			return fmt.Errorf("ended before it was ready: %w", end)
		case <-ctx.Done():
			return fmt.Errorf("not ready within %s: %w", readyWithin, err)
		case <-time.After(askEvery):
		}
	}
}

func (c *Child) output() string { return filepath.Join(c.dir, "output") }

// Tail is the end of what the server printed.
func (c *Child) Tail() string {
	b, err := os.ReadFile(c.output())
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b[max(0, len(b)-tailBytes):]))
}

// Pid is the process's.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Alive reports whether the process has not ended by itself.
func (c *Child) Alive() bool {
	select {
	case err := <-c.ended:
		c.ended <- err
		return false
	default:
		return true
	}
}

// Holds is the size of the directory in bytes.
func (c *Child) Holds() int64 {
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

// Stop ends the process, gently and then not, and removes its directory.
func (c *Child) Stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(stopWithin):
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
	_ = os.RemoveAll(c.dir)
}
