package group

import (
	"fmt"
	"testing"

	"github.com/lockstep-log/lockstep/coordinator/deadline"
)

// paced is a client that beats when it was told to, and does by the next
// heartbeat what it heard in this one.
type paced struct {
	id    string
	epoch int32
	owned Partitions
	every int64
}

// pacedWorld is a group of paced clients, in order of their next heartbeats.
type pacedWorld struct {
	t       *testing.T
	c       *Coordinator
	now     int64
	clients map[*deadline.Timer]*paced
	due     deadline.Queue
	beats   int
}

func newPacedWorld(t *testing.T, partitions int32) *pacedWorld {
	c := New(Config{}, func() string { return "" })
	c.SetTopics(fixedTopics{"t": {"t", idOf("t"), partitions}})
	c.Start(0)
	return &pacedWorld{t: t, c: c, clients: make(map[*deadline.Timer]*paced)}
}

// join adds a client whose first heartbeat is at a time.
func (w *pacedWorld) join(id string, at int64) {
	first := &deadline.Timer{}
	w.clients[first] = &paced{id: id, owned: Partitions{}}
	w.due.Set(first, at)
}

// run lets the clients beat until a time.
func (w *pacedWorld) run(until int64) {
	for at, ok := w.due.Next(); ok && at <= until; at, ok = w.due.Next() {
		next := w.due.Pop(at)
		w.now = at
		w.c.Tick(w.now)
		w.beat(w.clients[next])
		w.due.Set(next, at+w.clients[next].every)
	}
	w.now = until
}

func (w *pacedWorld) beat(p *paced) {
	resp, _, err := w.c.ConsumerHeartbeat(w.now, ConsumerHeartbeatRequest{
		Group: "g", Member: p.id, Epoch: p.epoch, RebalanceMs: 60_000, Names: []string{"t"}, Owned: p.owned, NamesItself: true,
	})
	if err != nil {
		w.t.Fatalf("%s at %d: %v", p.id, w.now, err)
	}
	w.beats++
	p.epoch, p.every = resp.Epoch, resp.HeartbeatMs
	if resp.Assignment != nil {
		p.owned = resp.Assignment
	}
}

// settled reports whether all partitions are read, each by the member it is meant for.
func (w *pacedWorld) settled(partitions int) bool {
	n := 0
	for _, p := range w.clients {
		for _, list := range p.owned {
			n += len(list)
		}
	}
	d, err := w.c.DescribeConsumer("g")
	return err == nil && d.State == Stable && n == partitions
}

// Goal: how long a group takes to settle does not follow from how seldom its
// members beat at rest. Method: clients that act on what they hear only when they
// are due again, in simulated time.
func TestAHundredMembersThatComeTogetherSettleInTwoSeconds(t *testing.T) {
	const members, partitions = 100, 300
	w := newPacedWorld(t, partitions)
	for i := range members {
		w.join(fmt.Sprint("m", i), int64(5*i))
	}
	w.run(2000)
	if !w.settled(partitions) {
		t.Fatalf("the group has not settled after %d heartbeats", w.beats)
	}
}

func TestAGroupAtRestBeatsAtItsOwnPace(t *testing.T) {
	w := newPacedWorld(t, 10)
	for i := range 5 {
		w.join(fmt.Sprint("m", i), 0)
	}
	w.run(20_000)
	before := w.beats
	w.run(30_000)
	if n := w.beats - before; n != 10 {
		t.Fatalf("5 members at rest beat %d times in 10 s, not twice each", n)
	}
}

func TestALargeGroupInMotionBeatsNoMoreOftenThanItsBound(t *testing.T) {
	const members = 1200
	w := newPacedWorld(t, 10)
	for i := range members {
		w.join(fmt.Sprint("m", i), 0)
	}
	w.run(1000)
	before := w.beats
	w.run(5000)
	if n := w.beats - before; n > 4*rebalancingHeartbeatsPerSecond+members {
		t.Fatalf("%d heartbeats in 4 s", n)
	}
}
