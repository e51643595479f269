package storetest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockstep-log/lockstep/coordinator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The in-memory store, on a clock that the stories move.
func TestMemStoreKeepsTheContract(t *testing.T) {
	Run(t, func(t *testing.T) Harness {
		var clock atomic.Int64
		s := coordinator.NewMemStore(func() time.Time { return time.Unix(0, clock.Load()) })
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return Harness{
			Store:  s,
			Prefix: "/p/",
			Lapse: func(ttl time.Duration) {
				clock.Add(int64(ttl))
				s.Expire()
			},
			Compact: func(_ *testing.T, rev int64) { s.Compact(rev) },
		}
	})
}

// One etcd in this process for all stories, each under its own prefix. The
// leases run on the real clock: a story that waits for an end waits by a watch.
func TestEmbeddedEtcdKeepsTheContract(t *testing.T) {
	e, err := coordinator.StartEmbedded(context.Background(), coordinator.EmbeddedOptions{
		Dir:    filepath.Join(t.TempDir(), "etcd"),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	n := 0
	Run(t, func(t *testing.T) Harness {
		n++
		return Harness{
			Store:  e.Store(),
			Prefix: fmt.Sprintf("/p%d/", n),
			Lapse: func(ttl time.Duration) {
				if ttl < shortest {
					time.Sleep(ttl) // so that keeping alive has something to do
				}
			},
			Compact: func(t *testing.T, rev int64) {
				if err := e.Compact(context.Background(), rev); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
