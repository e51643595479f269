package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestThreeBrokersSurviveAKill is the whole of it, small: one round on
// loopback, without rights, as part of the gate.
func TestThreeBrokersSurviveAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("skip: some seconds of three brokers")
	}
	binary := filepath.Join(t.TempDir(), "lockstep")
	build := exec.Command("go", "build", "-o", binary, "../../cmd/lockstep")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := run(context.Background(), []string{"-binary", binary, "-loopback", "-rounds", "1", "-only", "kill", "-seed", "1", "-dir", t.TempDir()}); err != nil {
		t.Fatal(err)
	}
}
