package broker

import (
	"errors"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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

func TestTransactionsAreRefusedAtOnce(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	for version := int16(1); version <= 6; version++ {
		got := ask[*kmsg.FindCoordinatorResponse](w, version, coordinatorRequest(coordinatorOfTransaction, "x"))
		code, message := got.ErrorCode, got.ErrorMessage
		if version >= findCoordinatorBatch {
			code, message = got.Coordinators[0].ErrorCode, got.Coordinators[0].ErrorMessage
		}
		if code != kerr.TransactionalIDAuthorizationFailed.Code || text(message) != errNoTransactions.Error() {
			t.Errorf("v%d: code %d: %s", version, code, text(message))
		}
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = kmsg.StringPtr("x")
	if got := ask[*kmsg.InitProducerIDResponse](w, 4, req); got.ErrorCode != kerr.TransactionalIDAuthorizationFailed.Code || got.ProducerID != -1 || got.ProducerEpoch != -1 {
		t.Errorf("%+v", got)
	}

	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr("")), kgo.TransactionalID("x"), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err == nil {
		err = cl.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Value: []byte("v")}).FirstErr()
		if !errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
			t.Errorf("a stock transactional producer gets %v", err)
		}
	}
}

func TestCoordinatorsAreOfGroupsOnly(t *testing.T) {
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
