package broker

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// Goal: a bug in a handler closes the connection that met it, and nothing else:
// answers owed before it are sent, others are served, the broker stops.
func TestAHandlerThatPanicsEndsItsConnectionAlone(t *testing.T) {
	row := lookup(protocol.KeyDescribeCluster)
	sound := row.call
	row.call.handle = func(*Server, *transport.Exchange, kmsg.Request) error { panic("planted") }
	t.Cleanup(func() { row.call = sound })
	var log said
	s, cl := startServer(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	nc, err := net.Dial("tcp", s.Addr(""))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(wireTimeout))
	f := kmsg.NewRequestFormatter()
	versions := f.AppendRequest(nil, kmsg.NewPtrApiVersionsRequest(), 1)
	nc.Write(versions)
	nc.Write(f.AppendRequest(nil, kmsg.NewPtrDescribeClusterRequest(), 2))
	nc.Write(versions)
	answers, err := io.ReadAll(nc)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	if err == nil && len(answers) == 0 {
		t.Error("the answer before the panic was not sent")
	}
	w := dial(t, s.Addr(""))
	w.createTopic("sound", 1)
	write(t, cl, "sound", 0, 1000)
	if n := strings.Count(log.text(), "a handler panicked"); n != 1 {
		t.Errorf("%d lines about the panic", n)
	}
}

// said is a log that is read when the test is over with it.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
