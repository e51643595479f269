package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const valuePrefix = "value-"

func valueOf(i int) string { return fmt.Sprint(valuePrefix, i) }

// group is the members, and what they have read.
type group struct {
	name    string
	command []string
	members []*member
	changes int // members that came and went

	mu   sync.Mutex
	read map[string]int // how often, by value
}

// member is one process. Its output is read until it ends.
type member struct {
	cmd   *exec.Cmd
	gone  chan struct{}
	mu    sync.Mutex
	reads int
}

func (g *group) join() error {
	cmd := exec.Command(g.command[0], g.command[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	m := &member{cmd: cmd, gone: make(chan struct{})}
	g.members = append(g.members, m)
	g.changes++
	go func() { // end waits for it
		defer close(m.gone)
		g.hear(m, out)
		_ = cmd.Wait()
	}()
	return nil
}

// hear counts what a member says it has read. A line that it died in does not count.
func (g *group) hear(m *member, out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		value := strings.TrimSpace(line)
		if !strings.HasPrefix(value, valuePrefix) {
			continue
		}
		g.mu.Lock()
		g.read[value]++
		g.mu.Unlock()
		m.mu.Lock()
		m.reads++
		m.mu.Unlock()
	}
}

func (m *member) heard() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads
}

func (m *member) running() bool {
	select {
	case <-m.gone:
		return false
	default:
		return true
	}
}

// hears waits until every member that runs has read something new, and goes on
// for a while.
func (g *group) hears(ctx context.Context) error {
	for i, m := range g.members {
		if !m.running() {
			continue
		}
		for before := m.heard(); m.heard() == before; {
			select {
			case <-m.gone:
				return fmt.Errorf("member %d ended by itself: %v", i, m.cmd.ProcessState)
			case <-ctx.Done():
				return fmt.Errorf("member %d reads nothing", i)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(settled):
	}
	return nil
}

// kill ends a member that does not know of it.
func (g *group) kill(i int) error {
	g.changes++
	err := g.members[i].cmd.Process.Kill()
	<-g.members[i].gone
	return err
}

// leave asks a member to leave the group.
func (g *group) leave(ctx context.Context, i int) error {
	g.changes++
	m := g.members[i]
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-m.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("member %d does not leave", i)
	}
}

// end ends the members that are left, and waits for them.
func (g *group) end() (err error) {
	for i, m := range g.members {
		if !m.running() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), settled)
		_ = g.leave(ctx, i)
		cancel()
		if m.running() {
			err = errors.Join(err, g.kill(i))
		}
	}
	return err
}

// await waits until everything that was written was read.
func (g *group) await(ctx context.Context, written []string) error {
	if len(written) == 0 {
		return errors.New("nothing was written")
	}
	for {
		missing := g.missing(written)
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lost: %d of %d values were read by nobody, the first is %s", len(missing), len(written), missing[0])
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (g *group) missing(written []string) (missing []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, value := range written {
		if g.read[value] == 0 {
			missing = append(missing, value)
		}
	}
	return missing
}

// bounded checks what at-least-once means: a value is read again only when what
// was read of its partition was not committed before a change took it away, so
// no more often than there were changes.
func (g *group) bounded() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	again := 0
	for value, n := range g.read {
		if n > 1 {
			again++
		}
		if n > 1+g.changes {
			return fmt.Errorf("%s was read %d times, and members changed %d times", value, n, g.changes)
		}
	}
	fmt.Fprintf(os.Stderr, "%s: %d values read, %d more than once\n", g.name, len(g.read), again)
	if 2*again > len(g.read) {
		return fmt.Errorf("%d of %d values were read more than once", again, len(g.read))
	}
	return nil
}
