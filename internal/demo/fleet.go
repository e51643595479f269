package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// fleet is the demo's processes, each at a post. One that is killed is followed
// by another at its post.
type fleet struct {
	args func(name string) []string // of the process with a name
	log  io.Writer

	mu struct {
		sync.Mutex
		posts []*post
		acked map[string]int // by writer, the most that any report said
	}
	running sync.WaitGroup // readers of the processes' output
}

// post is a place in the fleet and who is at it.
type post struct {
	name    string
	lives   int
	killed  int
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	gone    chan struct{} // closed when the process has ended and is read
	err     error         // how it ended; read after gone
	last    tellerReport
	commits int64 // of those before
	refused int64
	reruns  int64
}

func newFleet(n int, prefix string, log io.Writer, args func(name string) []string) *fleet {
	f := &fleet{args: args, log: log}
	f.mu.acked = map[string]int{}
	for i := range n {
		f.mu.posts = append(f.mu.posts, &post{name: fmt.Sprintf("%s%d", prefix, i)})
	}
	return f
}

// start starts a process at a post that is empty.
func (f *fleet) start(i int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.mu.posts[i]
	p.lives++
	p.commits, p.refused, p.reruns = p.commits+p.last.Commits, p.refused+p.last.Refusals, p.reruns+p.last.Reruns
	p.last = tellerReport{Basis: -1}
	p.cmd = exec.Command(self, f.args(fmt.Sprintf("%s.%d", p.name, p.lives))...)
	p.cmd.Stderr = f.log
	// Ctrl-C at a terminal goes to its whole process group. The fleet is to be
	// stopped in order instead; if this process dies, their input ends.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.gone = make(chan struct{})
	cmd, gone := p.cmd, p.gone
	f.running.Go(func() {
		f.listen(p, stdout)
		p.err = cmd.Wait()
		close(gone)
	})
	return nil
}

// listen takes a process's reports until its output ends.
func (f *fleet) listen(p *post, stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r tellerReport
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue // cut by a kill
		}
		f.mu.Lock()
		p.last = r
		for writer, n := range r.Acked {
			f.mu.acked[writer] = max(f.mu.acked[writer], n)
		}
		f.mu.Unlock()
	}
}

// kill kills the process at a post, as kill -9 would, and starts another.
func (f *fleet) kill(i int) error {
	f.mu.Lock()
	p := f.mu.posts[i]
	p.killed++
	p.cmd.Process.Kill()
	gone := p.gone
	f.mu.Unlock()
	<-gone
	return f.start(i)
}

// order writes a line to each process and waits until each has answered it.
func (f *fleet) order(ctx context.Context, line string, answered func(tellerReport) bool) error {
	for _, p := range f.mu.posts {
		if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
			return fmt.Errorf("process %s: %w", p.name, err)
		}
	}
	for _, p := range f.mu.posts {
		for {
			f.mu.Lock()
			ok := answered(p.last)
			f.mu.Unlock()
			if ok {
				break
			}
			select {
			case <-p.gone:
				f.mu.Lock()
				ok = answered(p.last)
				f.mu.Unlock()
				if !ok {
					return fmt.Errorf("process %s has ended: %v", p.name, p.err)
				}
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return nil
}

// ended is the first process that has ended by itself.
func (f *fleet) ended() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.mu.posts {
		select {
		case <-p.gone:
			return fmt.Errorf("process %s has ended: %v", p.name, p.err)
		default:
		}
	}
	return nil
}

// close ends all processes and waits for them.
func (f *fleet) close() {
	f.mu.Lock()
	for _, p := range f.mu.posts {
		if p.cmd != nil && p.gone != nil {
			p.stdin.Close()
			p.cmd.Process.Kill()
		}
	}
	f.mu.Unlock()
	f.running.Wait()
}

// tellerRow is one line of the demo's table.
type tellerRow struct {
	Process  string `json:"process" yaml:"process"`
	Commits  int64  `json:"commits" yaml:"commits"`
	Refusals int64  `json:"refusals" yaml:"refusals"`
	Reruns   int64  `json:"reruns" yaml:"reruns"`
	Killed   int    `json:"killed" yaml:"killed"`
	Total    int    `json:"total" yaml:"total"`
	Supply   int    `json:"supply" yaml:"supply"`
	Basis    int64  `json:"basis" yaml:"basis"`
	digest   string
}

// table is what the processes last said.
func (f *fleet) table() []tellerRow {
	f.mu.Lock()
	defer f.mu.Unlock()
	var rows []tellerRow
	for i, p := range f.mu.posts {
		r := tellerRow{
			Process: fmt.Sprint(i + 1), Commits: p.commits + p.last.Commits, Refusals: p.refused + p.last.Refusals,
			Reruns: p.reruns + p.last.Reruns,
			Killed: p.killed, Total: p.last.Total, Supply: p.last.Supply, Basis: p.last.Basis, digest: p.last.Digest,
		}
		rows = append(rows, r)
	}
	return rows
}

// acked is the most that each writer has said to be in the log.
func (f *fleet) acked() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	acked := map[string]int{}
	for writer, n := range f.mu.acked {
		acked[writer] = n
	}
	return acked
}
