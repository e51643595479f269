package coordination

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
)

// transactions is the transaction coordinator as the runtime drives it: all that
// stands between the two.
type transactions struct {
	*txn.Coordinator
	send func(txn.Markers) // asks for markers, and tells of them by Marked some day
}

var _ Machine = transactions{}

func (m transactions) Replay(_ protocol.Offset, _ Origin, r Record) error {
	return m.Coordinator.Replay(r.Key, r.Value)
}
func (m transactions) Start(now int64) Effects { return m.effects(m.Coordinator.Start(now)) }
func (m transactions) Tick(now int64) Effects  { return m.effects(m.Coordinator.Tick(now)) }

func (m transactions) effects(fx txn.Effects) (out Effects) {
	for _, r := range fx.Records {
		out.Writes = append(out.Writes, Write{Records: []Record{Record(r)}})
	}
	if len(fx.Markers) > 0 {
		out.Committed = func() {
			for _, markers := range fx.Markers {
				m.send(markers)
			}
		}
	}
	for _, r := range fx.Replies {
		out.Decided = append(out.Decided, Reply{CallID(r.Call), r})
	}
	return out
}

// newProducer asks for a producer, by a client that was nobody so far.
var newProducer = txn.InitRequest{
	TransactionalID: "a", TimeoutMs: 60_000, Producer: txn.Producer{ID: txn.None, Epoch: -1},
}

// topics exist.
type topics struct{}

func (topics) Exists(txn.Partition) bool { return true }

// coordinated is a transaction coordinator on a real partition.
type coordinated struct {
	t       *testing.T
	h       *host
	r       *Runtime[transactions]
	markers chan txn.Markers
}

func coordinate(t *testing.T) *coordinated {
	c := &coordinated{t: t, h: newHost(t, vfs.NewMem(), both), markers: make(chan txn.Markers, 10)}
	ids := int64(999)
	c.r, _ = start(c.h, Options[transactions]{New: func() transactions {
		m := transactions{txn.New(txn.Config{}, topics{}), func(m txn.Markers) { c.markers <- m }}
		ids++
		m.GiveProducerIDs(ids)
		return m
	}})
	return c
}

// lead begins an epoch in which broker 1 leads, and waits until it coordinates. The
// follower has all of the log.
func (c *coordinated) lead() {
	c.h.elect(self)
	c.h.follow(c.h.End())
	eventually(c.t, "the coordinator", func() bool { return try(c.r, func(*Shard[transactions]) {}) == nil })
}

// command runs a command whose answer waits for its records, has the follower fetch
// them, and returns what it was answered.
func (c *coordinated) command(f func(now int64, m transactions) (txn.Effects, error)) (err error) {
	c.t.Helper()
	answer := make(chan error, 1)
	end := c.h.End()
	var written int
	do(c.t, c.r, func(sh *Shard[transactions]) {
		fx, err := f(c.r.NowMs(), sh.Machine())
		written = len(fx.Records)
		sh.Apply(sh.Machine().effects(fx))
		sh.After(func(lost error) { answer <- errors.Join(err, lost) })
	})
	eventually(c.t, "the records to be in the log", func() bool { return c.h.End() >= end+protocol.Offset(written) })
	select {
	case err := <-answer:
		if written > 0 {
			c.t.Errorf("answered before the commit: %v", err)
		}
		return err
	default:
	}
	c.h.follow(c.h.End())
	return received(c.t, "an answer", answer)
}

// Goal: the runtime carries transactions as it carries groups. Method: a
// transaction is begun and its end asked for; before the markers are written
// another broker leads, and then this one again: the client that waited is told,
// and the new coordinator asks for the markers and ends the transaction.
func TestTransactionsAreCoordinatedOverAFailover(t *testing.T) {
	c := coordinate(t)
	c.lead()
	var p txn.Producer
	if err := c.command(func(now int64, m transactions) (fx txn.Effects, err error) {
		p, fx, err = m.Init(now, newProducer)
		return fx, err
	}); err != nil {
		t.Fatal(err)
	}
	if p != (txn.Producer{ID: 1000}) {
		t.Errorf("the producer is %v", p)
	}
	in := []txn.Partition{{Topic: "t", Index: 3}}
	if err := c.command(func(now int64, m transactions) (txn.Effects, error) {
		return m.Add(now, txn.AddRequest{TransactionalID: "a", Producer: p, Partitions: in})
	}); err != nil {
		t.Fatal(err)
	}

	answer := make(chan outcome, 1)
	end := c.h.End()
	do(t, c.r, func(sh *Shard[transactions]) {
		call := sh.Park(func(response any, err error) { answer <- outcome{response, err} })
		end := txn.EndRequest{TransactionalID: "a", Producer: p, Commit: true, Call: txn.CallID(call)}
		_, done, fx, err := sh.Machine().End(c.r.NowMs(), end)
		if done || err != nil {
			t.Errorf("done %v, %v", done, err)
		}
		sh.Apply(sh.Machine().effects(fx))
	})
	eventually(t, "the end to be in the log", func() bool { return c.h.End() == end+1 })
	do(t, c.r, func(*Shard[transactions]) {})
	if len(c.markers) > 0 {
		t.Error("markers are written before the end is committed")
	}
	c.h.follow(c.h.End())
	if m := received(t, "markers", c.markers); !m.Commit || len(m.Partitions) != 1 || m.Partitions[0] != in[0] {
		t.Errorf("markers %+v", m)
	}

	c.h.elect(follower)
	if got := received(t, "the end of the wait", answer); !errors.Is(got.err, kerr.NotCoordinator) {
		t.Errorf("who waits for the end is told %v", got)
	}
	c.lead()
	again := received(t, "the new coordinator to ask for markers", c.markers)
	if !again.Commit || again.Producer != p {
		t.Errorf("markers %+v", again)
	}
	if err := c.command(func(now int64, m transactions) (txn.Effects, error) { return m.Marked(now, again), nil }); err != nil {
		t.Fatal(err)
	}
	c.lead()
	do(t, c.r, func(sh *Shard[transactions]) {
		d, err := sh.Machine().Describe("a")
		if err != nil || d.State != txn.CompleteCommit || d.Producer != p {
			t.Errorf("in the end: %+v, %v", d, err)
		}
	})
}

// Goal: an EndTxn is answered when its markers are written, and does not wait for
// the record that says so.
func TestTheEndOfATransactionIsAnsweredWithItsMarkers(t *testing.T) {
	c := coordinate(t)
	c.lead()
	var p txn.Producer
	for _, command := range []func(now int64, m transactions) (txn.Effects, error){
		func(now int64, m transactions) (fx txn.Effects, err error) {
			p, fx, err = m.Init(now, newProducer)
			return fx, err
		},
		func(now int64, m transactions) (txn.Effects, error) {
			return m.Add(now, txn.AddRequest{TransactionalID: "a", Producer: p, Partitions: []txn.Partition{{Topic: "t"}}})
		},
	} {
		if err := c.command(command); err != nil {
			t.Fatal(err)
		}
	}
	answer := make(chan outcome, 1)
	do(t, c.r, func(sh *Shard[transactions]) {
		call := sh.Park(func(response any, err error) { answer <- outcome{response, err} })
		end := txn.EndRequest{TransactionalID: "a", Producer: p, Call: txn.CallID(call)}
		_, _, fx, _ := sh.Machine().End(c.r.NowMs(), end)
		sh.Apply(sh.Machine().effects(fx))
	})
	eventually(t, "the end to be in the log", func() bool { return c.h.End() == 3 })
	c.h.follow(c.h.End())
	markers := received(t, "markers", c.markers)
	do(t, c.r, func(sh *Shard[transactions]) {
		sh.Apply(sh.Machine().effects(sh.Machine().Marked(c.r.NowMs(), markers)))
	})
	got := received(t, "the answer", answer)
	if reply, ok := got.response.(txn.Reply); !ok || got.err != nil || reply.Err != nil || reply.Producer != p {
		t.Errorf("got %+v", got)
	}
}
