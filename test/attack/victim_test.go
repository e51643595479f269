package attack

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/broker"
)

// giveUp bounds what would otherwise hang; no test depends on its length.
const giveUp = time.Minute

// TestMain turns the test binary into a broker when a test starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		serveAsChild()
		return
	}
	os.Exit(m.Run())
}

// victim is a broker in this process, and what it says.
type victim struct {
	t    testing.TB
	addr string
	http string
	log  *lines
	stop func()
}

// attacked starts a broker on a fresh directory. When the test ends it must
// stop cleanly, and must not have panicked.
func attacked(t testing.TB, opts ...func(*broker.Config)) *victim {
	t.Helper()
	v := &victim{t: t, log: &lines{}}
	cfg := broker.Config{
		DataDir:          t.TempDir(),
		Listeners:        []broker.Listener{{Name: "PLAINTEXT", Addr: "127.0.0.1:0"}},
		HTTPAddr:         "127.0.0.1:0",
		AutoCreateTopics: true,
		Logger:           slog.New(slog.NewTextHandler(v.log, nil)),
	}
	for _, o := range opts {
		o(&cfg)
	}
	s, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	var once sync.Once
	v.stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ran:
				if err != nil {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(giveUp):
				buf := make([]byte, 1<<20)
				t.Fatalf("the broker does not stop:\n%s", buf[:runtime.Stack(buf, true)])
			}
		})
	}
	t.Cleanup(func() {
		v.stop()
		if n := v.log.count("panic"); n > 0 {
			t.Errorf("%d panics", n)
		}
		if t.Failed() {
			t.Logf("the broker's log ends:\n%s", v.log.tail())
		}
	})
	select {
	case <-s.Ready():
	case err := <-ran:
		ran <- nil
		t.Fatalf("the broker ended before it was ready: %v", err)
	}
	v.addr, v.http = s.Addr(""), s.HTTPAddr()
	return v
}

// lines is a log that can be asked about.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSuffix(l.b.String(), "\n"), "\n")
}

// count is how many lines hold all of the texts.
func (l *lines) count(texts ...string) (n int) {
next:
	for _, line := range l.all() {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		n++
	}
	return n
}

func (l *lines) tail() string {
	all := l.all()
	return strings.Join(all[max(0, len(all)-8):], "\n")
}

// eventually waits for what needs no signal of its own.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(giveUp); !done(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// heap is what lives in this process's heap.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
