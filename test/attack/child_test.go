package attack

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lockstep-log/lockstep/broker"
)

// childVariable holds the data directory of a test binary that is a broker.
const childVariable = "LOCKSTEP_ATTACK_DATA_DIR"

// serveAsChild is the broker as a process of its own, so that its memory and its
// descriptors can be told from the attacker's. It prints its addresses.
func serveAsChild() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := broker.New(broker.Config{
		DataDir:   os.Getenv(childVariable),
		Listeners: []broker.Listener{{Name: "PLAINTEXT", Addr: "127.0.0.1:0"}},
		HTTPAddr:  "127.0.0.1:0", AutoCreateTopics: true,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		<-s.Ready()
		fmt.Println(s.Addr(""), s.HTTPAddr())
	}()
	if err := s.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is a victim with a process of its own.
type process struct {
	victim
	cmd *exec.Cmd
}

func attackedProcess(t *testing.T) *process {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the memory of a process is read from /proc")
	}
	p := &process{victim: victim{t: t, log: &lines{}}}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), childVariable+"="+t.TempDir())
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		if err := p.cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("the broker ended with %v; its log ends:\n%s", err, p.log.tail())
		}
	})
	if _, err := fmt.Fscan(bufio.NewReader(out), &p.addr, &p.http); err != nil {
		t.Fatalf("the broker did not start: %v\n%s", err, p.log.tail())
	}
	return p
}

// memory is the process's resident memory without what is mapped from files, in bytes.
func (p *process) memory() int64 { return p.status("RssAnon:") }

// memoryMost is the most that has been resident, what is mapped from files included.
func (p *process) memoryMost() int64 { return p.status("VmHWM:") }

func (p *process) status(field string) int64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return kib << 10
		}
	}
	p.t.Fatalf("no %s in status", field)
	return 0
}
