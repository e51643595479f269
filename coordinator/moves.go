package coordinator

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

// move is a decided state on its way into the store.
type move struct {
	plan.Move

	done bool  // set by carryOut: the store has it
	err  error // set by carryOut: whether the store has it is not known
}

// moveTimeout bounds one transaction of moves. What is not known to be done is
// decided again, from the image that shows whether it was.
const moveTimeout = time.Second

// movesAtOnce is how many transactions one carryOut has under way.
const movesAtOnce = 4

// carryOut writes moves of different partitions, in as few transactions as
// there can be, and returns when this broker's image shows what was done. A
// batch that is refused is tried again in halves, so that one partition that has
// moved on holds up no other. Each move is told its own outcome.
func (c *Cluster) carryOut(ctx context.Context, moves []*move) {
	var g errgroup.Group
	g.SetLimit(movesAtOnce)
	for len(moves) > 0 {
		t := c.fill(moves)
		moves = moves[len(t.moves):]
		g.Go(func() error {
			c.try(ctx, t.moves)
			return nil
		})
	}
	_ = g.Wait() // the moves have their own errors
}

// try carries out moves that fit into one transaction.
func (c *Cluster) try(ctx context.Context, moves []*move) {
	t := c.fill(moves)
	call, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	ok, rev, err := c.o.Store.Txn(call, t.compares, t.ops)
	switch {
	case err != nil:
		for _, m := range moves {
			m.err = err
		}
	case ok:
		for _, m := range moves {
			m.done = true
		}
		_ = c.await(ctx, rev) // that it is done is known, whether the image shows it or not
	case len(moves) > 1:
		half := len(moves) / 2
		c.try(ctx, moves[:half])
		c.try(ctx, moves[half:])
	}
}

// txn is moves as one transaction.
type txn struct {
	moves    []*move
	compares []store.Compare
	ops      []store.Op
}

// fill takes moves from the front for as long as a transaction has room.
func (c *Cluster) fill(moves []*move) txn {
	var t txn
	has := make(map[string]int64, store.MaxTxnOps)
	for i, m := range moves {
		key := c.keys.Partition(m.Topic.ID, m.Next.Index)
		needs := []store.Compare{c.unchanged(m.Topic), {Key: key, ModRevision: m.Next.Revision}}
		for _, member := range m.Needs {
			needs = append(needs, store.Compare{Key: c.keys.Broker(member.ID), ModRevision: int64(member.BrokerEpoch)})
		}
		if !t.admit(has, needs) {
			break
		}
		v := m.Next.Value()
		v.PartitionEpoch++
		t.ops = append(t.ops, store.Put(key, store.Encode(v)))
		t.moves = moves[:i+1]
	}
	return t
}

// admit adds compares, each once, if there is room for all and none contradicts another.
func (t *txn) admit(has map[string]int64, needs []store.Compare) bool {
	room := store.MaxTxnOps - len(t.compares)
	for _, n := range needs {
		rev, ok := has[n.Key]
		if ok && rev != n.ModRevision {
			return false
		}
		if !ok {
			room--
		}
	}
	if room < 0 {
		return false
	}
	for _, n := range needs {
		if _, ok := has[n.Key]; !ok {
			has[n.Key] = n.ModRevision
			t.compares = append(t.compares, n)
		}
	}
	return true
}
