// Package inprocess runs a broker in a test's own process, for tests of what
// clients see. Tests of crashes and of clusters start processes.
package inprocess

import (
	"context"
	"log/slog"
	"testing"

	"github.com/lockstep-log/lockstep/broker"
)

// Broker runs a broker on an empty directory until the test ends, and returns
// its address.
func Broker(t *testing.T) string {
	t.Helper()
	s, err := broker.New(broker.Config{
		DataDir:   t.TempDir(),
		Listeners: []broker.Listener{{Name: "PLAINTEXT", Addr: "127.0.0.1:0"}},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-s.Ready():
	case err := <-ran:
		ran <- nil
		t.Fatalf("Run ended before it was ready: %v", err)
	}
	return s.Addr("")
}
