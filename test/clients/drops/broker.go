package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// broker is a process of its own, since its listener must advertise the proxy.
type broker struct {
	cmd     *exec.Cmd
	dir     string
	direct  string // the listener that is read
	dropped string // the listener behind the proxy
	logging sync.WaitGroup
}

// startBroker returns once both listeners are bound.
func startBroker(ctx context.Context, program, advertised string) (*broker, error) {
	dir, err := os.MkdirTemp("", "drops")
	if err != nil {
		return nil, err
	}
	b := &broker{dir: dir, cmd: exec.Command(program, "serve", "--data-dir", dir, "--http", "127.0.0.1:0", "--log-format", "json",
		"--auto-create-topics=false",
		"--listen", "direct://127.0.0.1:0,dropped://127.0.0.1:0", "--advertise", "dropped://"+advertised)}
	out, err := b.cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := b.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	bound := make(chan struct{})
	b.logging.Go(func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if b.direct == "" || b.dropped == "" {
				if b.learn(lines.Bytes()); b.direct != "" && b.dropped != "" {
					close(bound)
				}
			}
		}
		if b.direct == "" || b.dropped == "" {
			close(bound)
		}
	})
	select {
	case <-bound:
	case <-ctx.Done():
		_ = b.cmd.Process.Kill() // which ends the log
		<-bound
	}
	if b.direct == "" || b.dropped == "" {
		return nil, errors.Join(fmt.Errorf("%s did not bind its listeners", program), b.stop())
	}
	return b, nil
}

// learn takes the address of a listener from a line of the log.
func (b *broker) learn(line []byte) {
	var said struct{ Listener, Bound string }
	if json.Unmarshal(line, &said) != nil {
		return
	}
	switch said.Listener {
	case "direct":
		b.direct = said.Bound
	case "dropped":
		b.dropped = said.Bound
	}
}

func (b *broker) stop() error {
	err := b.cmd.Process.Signal(syscall.SIGTERM)
	b.logging.Wait()
	return errors.Join(err, b.cmd.Wait(), os.RemoveAll(b.dir))
}
