package store_test

import (
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The in-memory store, on a clock that the stories move.
func TestMemoryKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		var clock atomic.Int64
		s := store.NewMemory(func() time.Time { return time.Unix(0, clock.Load()) })
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return storetest.Harness{
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
