package broker

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/protocol"
)

// logLines gathers what is logged.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// with are the lines that hold a text.
func (l *logLines) with(text string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// TestEachChangeOfTheISRLeavesOneLine, at the partition's leader alone.
func TestEachChangeOfTheISRLeavesOneLine(t *testing.T) {
	var logs [4]logLines
	ps := startPeers(t, 3, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&logs[c.NodeID], nil))
		c.LagTimeMax = 300 * time.Millisecond
	})
	ps.create("a", 1, 1, 2, 3)
	ps.produceTo(1, "a", 1)
	ps.halt(3)
	ps.await("a line of the shrink", func() bool { return len(logs[1].with("in-sync replicas shrank")) > 0 })
	ps.restart(3)
	ps.awaitInSync("a", 0, 3)
	ps.await("a line of the growth", func() bool { return len(logs[1].with("in-sync replicas grew")) > 0 })
	for text, want := range map[string]string{
		"in-sync replicas shrank": "topic=a partition=0 out=[3] in=[] isr=\"[1 2]\" leader=1 epoch=0",
		"in-sync replicas grew":   "topic=a partition=0 out=[] in=[3] isr=\"[1 2 3]\" leader=1 epoch=0",
	} {
		if lines := logs[1].with(text); len(lines) != 1 || !strings.Contains(lines[0], want) {
			t.Errorf("the leader said %q, want one line with %s", lines, want)
		}
		if lines := append(logs[2].with(text), logs[3].with(text)...); len(lines) != 0 {
			t.Errorf("a follower said %q", lines)
		}
	}
}

// TestManyChangesOfTheISRAreSummedUp: no storm of them floods the log, and none is
// left out.
func TestManyChangesOfTheISRAreSummedUp(t *testing.T) {
	const changes = 1000
	var lines logLines
	l := newISRLog(slog.New(slog.NewTextHandler(&lines, nil)))
	l.limit = rate.NewLimiter(rate.Every(time.Hour), isrLogged)
	all := protocol.Members{{ID: 1}, {ID: 2}, {ID: 3}}
	for i := range changes {
		was, is := coordinator.Partition{Index: int32(i)}, coordinator.Partition{Index: int32(i)}
		was.ISR, is.ISR, is.Leader = all, all[:2], 1
		if i%4 == 0 {
			was, is = is, was
		}
		l.note("a", &was, &is)
		l.note("a", &is, &is)
	}
	l.sum() // too soon
	if n := len(lines.with("topic=a")); n != isrLogged || len(lines.with("more partitions")) != 0 {
		t.Errorf("%d lines, want %d, and then %q", n, isrLogged, lines.with("more partitions"))
	}
	l.limit = rate.NewLimiter(rate.Inf, 1)
	l.sum()
	l.sum()
	want := fmt.Sprintf("shrank=%d grew=%d", changes*3/4-7, changes/4-3)
	if got := lines.with("more partitions"); len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("summed up as %q, want %s", got, want)
	}
}
