package e2e

import (
	"strings"
	"testing"
)

// TestTheCommandLineSaysWhyNothingWasWritten: brokers that refuse for as long as
// anybody waits are quoted, by append, by produce, and by produce with locks.
func TestTheCommandLineSaysWhyNothingWasWritten(t *testing.T) {
	c := StartCluster(t, 3)
	b := c.Brokers[0]
	if _, stderr, code := b.CLI("", "topic", "create", "all", "-p", "1", "-r", "3", "--config", "min.insync.replicas=3"); code != 0 {
		t.Fatal(stderr)
	}
	c.Broker(3).Kill()
	for range 100 { // until the leader has noticed, it waits for the third
		if _, stderr, _ := b.CLI("", "append", "all", "value", "--timeout", "1s"); strings.Contains(stderr, "NOT_ENOUGH_REPLICAS:") {
			break
		}
	}
	for _, args := range [][]string{
		{"append", "all", "value"}, {"append", "all", "value", "--write", "a", "--basis", "none"}, {"append", "all", "value", "--id", "req-1"},
		{"produce", "all"}, {"produce", "all", "-p", "0", "-H", "lock-write:a", "-H", "lock-basis:none"},
	} {
		stdout, stderr, code := b.CLI("value\n", append(args, "--timeout", "1500ms")...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, "NOT_ENOUGH_REPLICAS") || strings.Contains(stderr, "may or may not") {
			t.Errorf("%v: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
}
