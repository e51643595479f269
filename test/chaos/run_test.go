package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/test/e2e"
)

// TestADeposedLeaderIsNotBelieved: a leader is cut off from the other brokers, and
// not from the clients, and those who lead in its place are killed. No view ends,
// and nobody is told an end before what was acknowledged.
func TestADeposedLeaderIsNotBelieved(t *testing.T) {
	if testing.Short() {
		t.Skip("skip: half a minute of three brokers")
	}
	dir := t.TempDir()
	chaos := filepath.Join(dir, "chaos") // a process of its own: it enters namespaces
	if out, err := exec.Command("go", "build", "-o", chaos, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(chaos, "-binary", e2e.Binary(t), "-rounds", "2", "-only", "cut-then-kill", "-seed", "4",
		"-dir", filepath.Join(dir, "run")).CombinedOutput()
	if strings.Contains(string(out), "skip: faults of links") {
		t.Skipf("skip: no network namespaces:\n%s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestThreeBrokersSurviveAKill is the whole of it, small: one round on
// loopback, without rights, as part of the gate.
func TestThreeBrokersSurviveAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("skip: some seconds of three brokers")
	}
	if err := run(context.Background(), []string{"-binary", e2e.Binary(t), "-loopback", "-rounds", "1", "-only", "kill", "-seed", "1", "-dir", t.TempDir()}); err != nil {
		t.Fatal(err)
	}
}
