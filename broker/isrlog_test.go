package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
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
