package main

import (
	"context"
	"testing"

	"github.com/lockstep-log/lockstep/test/e2e"
)

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
