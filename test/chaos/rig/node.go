package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Node is one broker: its process, while it has one, and where it keeps what.
type Node struct {
	ID    int
	Data  string // data directory
	Kafka string // HOST:PORT
	HTTP  string // HOST:PORT
	Disk  *Disk  // nil: a plain directory

	peer string // URL of its etcd member
	rig  *Rig
	dir  string
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended
}

// Start starts the process; it may not be ready when Start returns.
func (n *Node) Start() error {
	out, err := os.OpenFile(n.Output(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(n.rig.options.Binary, n.args()...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	fmt.Fprintf(out, "--- start at %s\n", time.Now().UTC().Format(time.RFC3339Nano))
	if err := n.rig.at(n.ID, cmd.Start); err != nil {
		return fmt.Errorf("start broker %d: %w", n.ID, err)
	}
	gone := make(chan struct{})
	n.cmd, n.gone = cmd, gone
	go func() { // Kill and Stop wait for it
		_ = cmd.Wait()
		close(gone)
	}()
	return nil
}

// args is the command line of the broker.
func (n *Node) args() []string {
	args := []string{"serve", "--node-id", fmt.Sprint(n.ID), "--data-dir", n.Data, "--listen", n.Kafka, "--http", n.HTTP,
		"--rack", fmt.Sprintf("rack-%d", n.ID), "--log-format", "text"}
	if peers := n.rig.peers(); peers != "" {
		args = append(args, "--etcd-peers", peers)
	}
	return append(args, n.rig.options.Args...)
}

// Output is the file with everything that the broker's processes said.
func (n *Node) Output() string { return filepath.Join(n.dir, "output") }

const tailLines = 20

// Tail is the end of the output, less the lines about refusals.
func (n *Node) Tail() string {
	b, err := os.ReadFile(n.Output())
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if !strings.Contains(line, "msg=refused") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-tailLines):], "")
}

// PID of the process that runs or ran last.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Running reports whether there is a process, paused or not.
func (n *Node) Running() bool {
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.gone:
		return false
	default:
		return true
	}
}

// Kill ends the process as a crash does, and waits for its end.
func (n *Node) Kill() {
	if n.Running() {
		_ = n.cmd.Process.Kill()
		<-n.gone
	}
}

// Pause stops the process where it is; it cannot notice.
func (n *Node) Pause() error { return n.cmd.Process.Signal(syscall.SIGSTOP) }

// frozenWithin is how long the threads of a process may take to stop.
const frozenWithin = 10 * time.Second

// Freeze is Pause, and returns when none of the process's threads runs any more, or
// will but in the kernel: what it has not told by then it will not tell.
func (n *Node) Freeze() error {
	if !n.Running() {
		return nil
	}
	if err := n.Pause(); err != nil {
		return err
	}
	for end := time.Now().Add(frozenWithin); !frozen(n.PID()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("broker %d does not stand still", n.ID)
		}
	}
	return nil
}

// frozen reports whether each thread is stopped, or sleeps where no signal reaches
// it until the kernel is done.
func frozen(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		// PID (NAME) STATE …, and the name may hold anything
		_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
		if !strings.HasPrefix(rest, "T") && !strings.HasPrefix(rest, "D") && !strings.HasPrefix(rest, "Z") {
			return false
		}
	}
	return true
}

// Resume lets a paused process go on.
func (n *Node) Resume() error { return n.cmd.Process.Signal(syscall.SIGCONT) }

// Stop asks the process to end. It is an error if it does not end, or not well.
func (n *Node) Stop(ctx context.Context) error {
	if !n.Running() {
		return nil
	}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-n.gone:
	case <-ctx.Done():
		return fmt.Errorf("broker %d did not stop when asked: %w", n.ID, ctx.Err())
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("broker %d ended with exit code %d", n.ID, code)
	}
	return nil
}

// errEnded: the process ended before it was ready.
var errEnded = errors.New("the process has ended")

// Ready waits until the broker says that it is.
func (n *Node) Ready(ctx context.Context) error {
	for {
		said := n.askReady(ctx)
		if said == nil {
			return nil
		}
		select {
		case <-n.gone:
			return fmt.Errorf("broker %d: %w", n.ID, errEnded)
		case <-ctx.Done():
			return fmt.Errorf("broker %d is not ready: %w", n.ID, said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

const askTimeout = 2 * time.Second

func (n *Node) askReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTP+"/v1/status/ready", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body) // for people
		return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(body.Bytes()))
	}
	return nil
}
