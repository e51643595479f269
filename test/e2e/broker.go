package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/test/freeport"
)

// Broker is a lockstep process.
type Broker struct {
	t    testing.TB
	bin  string
	Dir  string // data directory
	Addr string // Kafka
	HTTP string // host:port
	args []string
	open int // how many files the process may have open; 0: as many as the test
	log  *syncBuffer
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended
}

var built struct {
	sync.Once
	path string
	err  error
}

// Binary is the product, built from this tree. All test processes share the
// one file below bin/test, which make test removes at its end: linking costs
// ten seconds and 60 MB, and the packages that need it run side by side.
func Binary(t testing.TB) string {
	t.Helper()
	built.Do(func() { built.path, built.err = buildShared() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// buildShared leaves it to go build whether the file is still that of the
// sources. A lock lets one process of several build.
func buildShared() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(filepath.Dir(here)))
	dir := filepath.Join(root, "bin", "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	path := filepath.Join(dir, "lockstep")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "./cmd/lockstep")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// Start starts a broker on a fresh data directory and free ports.
func Start(t testing.TB, args ...string) *Broker {
	t.Helper()
	return StartAt(t, filepath.Join(t.TempDir(), "data"), args...)
}

// StartAt is Start on a data directory of the caller's.
func StartAt(t testing.TB, dir string, args ...string) *Broker {
	t.Helper()
	return start(t, &Broker{Dir: dir, args: args})
}

// StartLimited is Start of a process that may have only so many files open.
func StartLimited(t testing.TB, open int, args ...string) *Broker {
	t.Helper()
	return start(t, &Broker{Dir: filepath.Join(t.TempDir(), "data"), args: args, open: open})
}

func start(t testing.TB, b *Broker) *Broker {
	t.Helper()
	b.t, b.bin, b.Addr, b.HTTP, b.log = t, Binary(t), freeAddr(t), freeAddr(t), &syncBuffer{}
	b.Restart()
	t.Cleanup(func() {
		b.Stop()
		if t.Failed() {
			t.Logf("the broker's log:\n%s", b.log)
		}
	})
	return b
}

// Restart starts the process again on the same directory and ports, and waits
// until it is ready.
func (b *Broker) Restart() {
	b.t.Helper()
	b.begin()
	b.awaitReady()
}

// begin starts the process, which may not be ready yet.
func (b *Broker) begin() {
	b.t.Helper()
	args := append([]string{"serve", "--data-dir", b.Dir, "--listen", b.Addr, "--http", b.HTTP}, b.args...)
	b.cmd = exec.Command(b.bin, args...)
	if b.open > 0 {
		limited := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, b.open)
		b.cmd = exec.Command("sh", append([]string{"-c", limited, b.bin}, args...)...)
	}
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	cmd, gone := b.cmd, make(chan struct{})
	b.gone = gone
	go func() {
		cmd.Wait()
		close(gone)
	}()
}

const startTimeout = 60 * time.Second // for a machine that does other things as well

func (b *Broker) awaitReady() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		resp, err := http.Get("http://" + b.HTTP + "/v1/status/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-b.gone:
			b.t.Fatalf("the broker ended before it was ready:\n%s", b.log)
		case <-ctx.Done():
			b.t.Fatalf("the broker is not ready after %v:\n%s", startTimeout, b.log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Kill ends the process as a crash would.
func (b *Broker) Kill() {
	b.cmd.Process.Kill()
	<-b.gone
}

// Stop asks the process to end and waits; it fails the test when the end is not clean.
func (b *Broker) Stop() {
	b.t.Helper()
	select {
	case <-b.gone:
		return
	default:
	}
	b.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-b.gone:
	case <-time.After(startTimeout):
		b.cmd.Process.Kill()
		<-b.gone
		b.t.Errorf("the broker did not stop when asked")
	}
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		b.t.Errorf("the broker stopped with exit code %d", code)
	}
}

// CLI runs the lockstep command against the broker.
func (b *Broker) CLI(stdin string, args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	cmd := exec.Command(b.bin, args...)
	cmd.Env = append(os.Environ(), "LOCKSTEP_BROKERS="+b.Addr, "LOCKSTEP_HTTP="+b.HTTP)
	return Run(b.t, cmd, stdin)
}

// Run runs a command and returns what it said and its exit code.
func Run(t testing.TB, cmd *exec.Cmd, stdin string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewBufferString(stdin), &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	addr, err := freeport.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// syncBuffer is a buffer that two goroutines may use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
