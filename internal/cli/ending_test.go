package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

// endLimit is what a test grants a command to end in. The command grants itself
// less than a second; a machine that is busy with other tests may need more.
const endLimit = 5 * time.Second

// asked is what each command that asks a broker is called with, so that it
// would wait for an answer. Commands that ask nobody stand in asksNobody.
var asked = map[string]string{
	"topic create": "t", "topic list": "", "topic describe": "t", "topic alter": "t -c retention.ms=1",
	"topic delete":         "t",
	"topic add-partitions": "t -n 1",
	"produce":              "t", "consume": "t", "append": "t value",
	"group list": "", "group describe": "g", "group alter": "g -c consumer.session.timeout.ms=50000", "group delete": "g",
	"group reset":  "g -o start",
	"cluster info": "", "cluster health": "", "cluster brokers": "", "cluster reassign": "",
	"cluster rebalance": "", "cluster add": "", "cluster remove": "9",
	"lock show": "t l", "lock check": "t --write l --basis none", "lock hot": "", "lock history": "t l",
	"conflicts tail": "",
	"demo bank":      "", "demo teller": "--topic t", "bench produce": "", "bench consume": "t", "bench append": "",
	"health": "", "audit": "t",
	"acl add": "--allow-principal User:u --topic t", "acl list": "", "acl remove": "--topic t",
	"txn list": "", "txn describe": "id", "txn abort": "id", "txn find-hanging": "",
	"user add": "u --generate", "user list": "", "user delete": "u --mechanism SCRAM-SHA-512",
}

var asksNobody = []string{"serve", "dev", "dump", "repair", "version", "cert", "profile set", "profile list", "profile show", "profile delete"}

// leaves are the commands that do something, by the words that call them.
func leaves() map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			walk(sub, append(path[:len(path):len(path)], sub.Name()))
		}
		if !c.HasSubCommands() {
			all[strings.Join(path, " ")] = c
		}
	}
	walk(newRoot(commandtest.Quiet()), nil)
	return all
}

// calls are the command lines that ask a broker at addr, by command.
func calls(t *testing.T, addr string) map[string][]string {
	t.Helper()
	lines := map[string][]string{}
	for name, cmd := range leaves() {
		args, ok := asked[name]
		if !ok {
			if !strings.Contains(" "+strings.Join(asksNobody, " ")+" ", " "+name+" ") {
				t.Errorf("%q stands in no table of this test", name)
			}
			continue
		}
		line := append(strings.Fields(name), strings.Fields(args)...)
		for _, flag := range []string{"brokers", "http"} {
			if cmd.Flags().Lookup(flag) != nil {
				line = append(line, "--"+flag, addr)
			}
		}
		lines[name] = line
	}
	return lines
}

// silentBroker takes connections and says nothing. It tells of each.
func silentBroker(t *testing.T) (addr string, came <-chan struct{}) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	told := make(chan struct{}, 100)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			told <- struct{}{}
		}
	}()
	return ln.Addr().String(), told
}

// Before, the client library's own ten seconds were added to what was asked for.
func TestEveryCommandThatAsksIsBoundByItsTimeout(t *testing.T) {
	addr, _ := silentBroker(t)
	for name, args := range calls(t, addr) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := commandtest.Quiet()
			began := time.Now()
			code := execute(context.Background(), append(args, "--timeout", "300ms"), s)
			if took := time.Since(began); code != command.ExitError || took > endLimit {
				t.Errorf("exit code %d after %s: %s", code, took, s.Err)
			}
			if said := s.Err.(*bytes.Buffer).String(); !strings.Contains(said, "no answer in time") &&
				!strings.Contains(said, "not done within 300ms") {
				t.Errorf("it said %q", said)
			}
		})
	}
}

func TestATimeoutIsMoreThanNothing(t *testing.T) {
	s := commandtest.Quiet()
	if code := execute(context.Background(), []string{"topic", "list", "--timeout", "0s"}, s); code != command.ExitUsage {
		t.Errorf("exit code %d: %s", code, s.Err)
	}
}

// terminal is a command that runs at a pseudo terminal.
type terminal struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	tty  *os.File
	gone chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

func atTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	w := &terminal{t: t, name: strings.Join(args, " "), cmd: exec.Command("lockstep", args...), gone: make(chan struct{})}
	w.cmd.Dir = t.TempDir()
	tty, err := pty.Start(w.cmd)
	if err != nil {
		t.Fatal(err)
	}
	w.tty = tty
	go func() {
		io.Copy(w, tty) // ends with an error when the other side is closed
		w.cmd.Wait()
		close(w.gone)
	}()
	t.Cleanup(func() {
		w.cmd.Process.Kill()
		<-w.gone
		tty.Close()
	})
	return w
}

func (w *terminal) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func (w *terminal) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.String()
}

// hears waits until the command has said something.
func (w *terminal) hears(text string) {
	w.t.Helper()
	w.hearsMatch(regexp.MustCompile(regexp.QuoteMeta(text)))
}

func (w *terminal) hearsMatch(text *regexp.Regexp) {
	w.t.Helper()
	for range 3000 {
		if text.MatchString(w.said()) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("%s never said %q, but %q", w.name, text, w.said())
}

func (w *terminal) types(keys string) {
	w.t.Helper()
	if _, err := io.WriteString(w.tty, keys); err != nil {
		w.t.Fatal(err)
	}
}

// ends waits for the end of the command and returns its exit code.
func (w *terminal) ends() int {
	w.t.Helper()
	select {
	case <-w.gone:
	case <-time.After(endLimit):
		w.t.Fatalf("%s goes on %s after its interruption; it said %q", w.name, endLimit, w.said())
	}
	return w.cmd.ProcessState.ExitCode()
}

const ctrlC = "\x03"

// Each asks a broker that does not answer, and is interrupted then.
func TestCtrlCEndsEveryCommand(t *testing.T) {
	for name := range calls(t, "") {
		t.Run(name, func(t *testing.T) {
			addr, came := silentBroker(t)
			w := atTerminal(t, calls(t, addr)[name]...)
			select {
			case <-came:
			case <-time.After(30 * time.Second):
				t.Fatalf("it asked nobody; it said %q", w.said())
			}
			w.types(ctrlC)
			want := command.ExitError
			if name == "conflicts tail" {
				want = command.ExitDone // it is ended so
			}
			if code := w.ends(); code != want {
				t.Errorf("exit code %d, want %d; it said %q", code, want, w.said())
			}
		})
	}
}

// These wait for a person, or for more, and nobody would end them otherwise.
func TestCtrlCEndsWhatWaitsForAPerson(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	addr := cluster.ListenAddrs()[0]

	t.Run("append", func(t *testing.T) {
		w := atTerminal(t, "append", "t", "-b", addr)
		w.hears("end it with Ctrl-D")
		w.types("a value" + ctrlC)
		if code := w.ends(); code != command.ExitError {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("append and SIGTERM", func(t *testing.T) {
		w := atTerminal(t, "append", "t", "-b", addr)
		w.hears("end it with Ctrl-D")
		if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := w.ends(); code != command.ExitError {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("produce", func(t *testing.T) {
		w := atTerminal(t, "produce", "t", "-b", addr)
		w.types("one\n")
		w.hears("0 0")
		w.types("half a line" + ctrlC)
		if code := w.ends(); code != command.ExitError {
			t.Errorf("exit code %d", code)
		}
	})
	for _, c := range []struct {
		more string
		code int
	}{{"", command.ExitDone}, {"-n 9", command.ExitError}} {
		t.Run("consume "+c.more, func(t *testing.T) {
			w := atTerminal(t, append([]string{"consume", "t", "-b", addr}, strings.Fields(c.more)...)...)
			w.hears("one")
			w.types(ctrlC)
			if code := w.ends(); code != c.code {
				t.Errorf("exit code %d", code)
			}
		})
	}
	t.Run("bench produce", func(t *testing.T) {
		w := atTerminal(t, "bench", "produce", "t", "-b", addr)
		w.hearsMatch(regexp.MustCompile(` [1-9]\d* records/s`)) // what is under way is answered in time, then
		w.types(ctrlC)
		if code := w.ends(); code != command.ExitDone || !strings.Contains(w.said(), "p99.9") {
			t.Errorf("exit code %d, and no measurement: %q", code, w.said())
		}
	})
	t.Run("dev", func(t *testing.T) {
		w := atTerminal(t, "dev", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
		w.hears("ready")
		w.types(ctrlC)
		if code := w.ends(); code != command.ExitDone {
			t.Errorf("exit code %d: %s", code, w.said())
		}
	})
}

// A command that does not heed its context is left behind.
func TestACommandThatDoesNotHeedIsLeftBehind(t *testing.T) {
	released := make(chan struct{})
	defer close(released)
	deaf := &cobra.Command{Use: "deaf", SilenceErrors: true, SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error { <-released; return nil }}
	command.EndInTime(deaf)
	ctx, interrupt := context.WithCancel(context.Background())
	interrupt()
	if err := deaf.ExecuteContext(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What an interruption leaves open is said, and not just that there was one.
func TestAnInterruptionDoesNotHideThatAResultIsUnknown(t *testing.T) {
	var out bytes.Buffer
	code := command.Report(&out, errors.Join(command.ErrUnknownResult, context.Canceled))
	if code != command.ExitError || !strings.Contains(out.String(), "may or may not be in the log") {
		t.Errorf("exit code %d: %s", code, &out)
	}
}
