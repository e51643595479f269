package broker

import (
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// producerID asks for an id, claiming to have one.
func (w *wire) producerID(claimedID int64, claimedEpoch int16) int64 {
	w.t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = claimedID, claimedEpoch
	got := ask[*kmsg.InitProducerIDResponse](w, 5, req)
	if got.ErrorCode != 0 || got.ProducerEpoch != 0 {
		w.t.Errorf("code %d, epoch %d", got.ErrorCode, got.ProducerEpoch)
	}
	return got.ProducerID
}

func TestNoProducerIDIsGivenTwice(t *testing.T) {
	dir := t.TempDir()
	seen := map[int64]bool{}
	var mu sync.Mutex
	for range 3 { // starts of the broker
		t.Run("start", func(t *testing.T) {
			s, _ := startServer(t, func(c *Config) { c.DataDir = dir })
			var clients sync.WaitGroup
			for range 4 {
				w := dial(t, s.Addr(""))
				clients.Go(func() {
					for range 2 * producerIDBlock / 4 {
						id := w.producerID(-1, -1)
						mu.Lock()
						if seen[id] {
							t.Errorf("id %d is given twice", id)
						}
						seen[id] = true
						mu.Unlock()
					}
				})
			}
			clients.Wait()
		})
	}
}

// Some clients send zeros where they have no id yet.
func TestTheIDsThatAProducerClaimsAreNotLookedAt(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	a, b, c := w.producerID(0, 0), w.producerID(0, 0), w.producerID(-1, -1)
	if a == b || b == c || a == c {
		t.Errorf("ids %d, %d, %d", a, b, c)
	}
}

func TestCoordinatorsAreOfGroupsAndTransactionsOnly(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	got := ask[*kmsg.FindCoordinatorResponse](w, 6, coordinatorRequest(coordinatorOfGroup, "a", "b")).Coordinators
	if len(got) != 2 || got[0].Key != "a" || got[1].Key != "b" || got[1].NodeID != 1 || got[1].ErrorCode != 0 {
		t.Errorf("%+v", got)
	}
	for _, c := range ask[*kmsg.FindCoordinatorResponse](w, 6, coordinatorRequest(2, "share")).Coordinators {
		if c.ErrorCode != kerr.InvalidRequest.Code || c.NodeID != -1 || c.ErrorMessage == nil {
			t.Errorf("%+v", c)
		}
	}
}
