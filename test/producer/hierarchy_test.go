package producer

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// owned is a parent and a child of it: who owns them, and what was done to the
// child by whom.
type owned struct {
	owner   string
	updates []string // by whom
}

const (
	parent, child = "parent:1", "child:1"
)

func ownedApply(s *owned, r *kgo.Record) {
	switch string(r.Key) {
	case parent:
		s.owner = string(r.Value)
	case child:
		s.updates = append(s.updates, string(r.Value))
	}
}

func ownedRecord(what, who string) *kgo.Record {
	return &kgo.Record{Key: []byte(what), Value: []byte(who)}
}

// TestAnOwnerPipelinesUpdatesAndANewOwnerMeetsEachOfThem: whoever takes
// ownership writes the parent and the child; whoever updates the child reads the
// parent and marks the child without looking at it. So an owner has any number
// of updates under way at once, on one basis, and none is in another's way, yet a
// new owner cannot come in between unseen.
func TestAnOwnerPipelinesUpdatesAndANewOwnerMeetsEachOfThem(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	c := open(t, addr)
	take := func(who string, basis int64) (client.Result, error) {
		return c.Append(t.Context(), "t", 0, client.Cond{Basis: basis, Locks: []client.Lock{client.Write(parent), client.Write(child)}}, ownedRecord(parent, who))
	}
	update := func(who string, basis int64) (client.Result, error) {
		return c.Append(t.Context(), "t", 0, client.Cond{Basis: basis, Locks: []client.Lock{client.Read(parent), client.Append(child)}}, ownedRecord(child, who))
	}

	first, err := take("alice", client.None)
	if err != nil {
		t.Fatal(err)
	}
	const updates = 50
	var all sync.WaitGroup
	for i := range updates {
		all.Go(func() {
			if _, err := update("alice", first.Offset); err != nil {
				t.Errorf("update %d of the owner: %v", i, err)
			}
		})
	}
	all.Wait()

	if _, err := take("bob", first.Offset); refusal(t, err).Lock != child {
		t.Errorf("a new owner who has not seen the updates: %v", err)
	}
	second, err := take("bob", first.Offset+updates)
	if err != nil {
		t.Fatalf("a new owner who has seen all: %v", err)
	}
	e := refusal(t, func() error { _, err := update("alice", first.Offset); return err }())
	if e.Lock != parent || e.Last != second.Offset || !errors.Is(e, client.ErrConflict) {
		t.Errorf("the old owner: %v", e)
	}
	if _, err := update("bob", second.Offset); err != nil {
		t.Errorf("the new owner: %v", err)
	}
}

// TestNobodyUpdatesWhatAnotherOwns lets views take ownership from each other and
// update all the while. Each update in the log is by the owner of its moment.
func TestNobodyUpdatesWhatAnotherOwns(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	const people, rounds = 4, 20
	var all sync.WaitGroup
	for p := range people {
		v, err := client.NewView(open(t, addr), "t", 0, owned{}, ownedApply)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		me := fmt.Sprint("person ", p)
		all.Go(func() {
			for range rounds {
				_, err := v.Update(t.Context(), func(tx *client.Tx, s owned) error {
					if s.owner != me {
						tx.Lock(client.Write(parent), client.Write(child))
						tx.Append(ownedRecord(parent, me))
						return nil
					}
					tx.Lock(client.Read(parent), client.Append(child))
					tx.Append(ownedRecord(child, me))
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	last, err := open(t, addr).Append(t.Context(), "t", 0, client.Cond{}, value("end"))
	if err != nil {
		t.Fatal(err)
	}
	owner, n := "", 0
	cl := dial(t, addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtStart()}}))
	for end := false; !end; {
		cl.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			switch n++; {
			case r.Offset == last.Offset:
				end = true
			case string(r.Key) == parent:
				owner = string(r.Value)
			case string(r.Value) != owner:
				t.Errorf("offset %d: %s updates what %s owns", r.Offset, r.Value, owner)
			}
		})
	}
	if n != people*rounds+1 {
		t.Errorf("the log holds %d records", n)
	}
}
