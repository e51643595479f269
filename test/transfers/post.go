package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// post is a place in the crew, and the process that is at it. One that is killed
// is followed by another.
type post struct {
	role, name string
	dir        string // of its own
	order      func(life int) any

	mu struct {
		sync.Mutex
		life   int
		kills  int
		cmd    *exec.Cmd
		stdin  io.Closer
		gone   chan struct{} // closed when the process has ended and all it said is heard
		ending bool          // it was killed, or asked to end
		last   tellerReport
		before tellerReport // sums of those before it
	}
}

// start starts a process at a post that is empty.
func (p *post) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p.mu.life++
	order, err := json.Marshal(p.order(p.mu.life))
	if err != nil {
		return err
	}
	out, err := os.OpenFile(p.output(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(self, p.role, string(order))
	cmd.Stderr = out
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	p.mu.cmd, p.mu.stdin, p.mu.gone, p.mu.ending = cmd, stdin, gone, false
	p.mu.before.add(p.mu.last)
	p.mu.last = tellerReport{}
	go func() { // kill and end wait for it
		p.listen(stdout)
		_ = cmd.Wait() // what it came to is in the state
		close(gone)
	}()
	return nil
}

// output is the file with everything that the processes said to people.
func (p *post) output() string { return filepath.Join(p.dir, "output") }

func (p *post) listen(stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var r tellerReport
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue // cut by a kill
		}
		p.mu.Lock()
		p.mu.last = r
		p.mu.Unlock()
	}
}

// process is the one that is at the post, marked as about to end.
func (p *post) process() (*exec.Cmd, io.Closer, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.ending = true
	return p.mu.cmd, p.mu.stdin, p.mu.gone
}

// kill kills the process as kill -9 does, and starts the next one. That one has
// ended by itself before is an error.
func (p *post) kill() error {
	if err := p.ended(); err != nil {
		return err
	}
	cmd, _, gone := p.process()
	_ = cmd.Process.Kill()
	<-gone
	p.mu.Lock()
	p.mu.kills++
	p.mu.Unlock()
	return p.start()
}

// end asks the process to end, and waits until it has, well.
func (p *post) end(ctx context.Context) error {
	if err := p.ended(); err != nil {
		return err
	}
	cmd, stdin, gone := p.process()
	_ = stdin.Close()
	select {
	case <-gone:
	case <-ctx.Done():
		return fmt.Errorf("%s did not end when asked: %w", p.name, ctx.Err())
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with exit code %d:\n%s", p.name, code, p.tail())
	}
	return nil
}

// ended is an error if the process has ended by itself.
func (p *post) ended() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.mu.gone:
		if !p.mu.ending {
			return fmt.Errorf("%s has ended by itself: %v\n%s", p.name, p.mu.cmd.ProcessState, p.tail())
		}
	default:
	}
	return nil
}

// close ends the process in any case.
func (p *post) close() {
	cmd, _, gone := p.process()
	if cmd != nil {
		_ = cmd.Process.Kill() // it may have ended
		<-gone
	}
}

const tailLines = 20

func (p *post) tail() string {
	b, err := os.ReadFile(p.output())
	if err != nil {
		return err.Error()
	}
	lines := strings.SplitAfter(string(b), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "")
}

// report is what all of its tellers have said together, and kills how many of
// them were killed.
func (p *post) report() (r tellerReport, lives, kills int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r = p.mu.before
	r.add(p.mu.last)
	return r, p.mu.life, p.mu.kills
}

// add takes in another report: own deeds are summed up, and of the transfers in
// the log the most counts.
func (r *tellerReport) add(o tellerReport) {
	r.Commits, r.Refusals, r.Reruns = r.Commits+o.Commits, r.Refusals+o.Refusals, r.Reruns+o.Reruns
	r.Declined, r.Unknown = r.Declined+o.Declined, r.Unknown+o.Unknown
	r.know(o.Transfers)
}

func (r *tellerReport) know(transfers []int64) {
	know := make([]int64, max(len(r.Transfers), len(transfers)))
	copy(know, r.Transfers)
	for p, n := range transfers {
		know[p] = max(know[p], n)
	}
	r.Transfers = know
}

// inLog is how many transfers the logs hold, at least.
func (r tellerReport) inLog() (sum int64) {
	for _, n := range r.Transfers {
		sum += n
	}
	return sum
}
