package group

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Goal: whatever members do, and whatever answers are lost, no partition is read
// by two of them; the log always folds to what the coordinator holds; and when
// calm returns, each partition has one reader and the shares are fair.
//
// Method: simulated clients of both protocols, which read what they were
// assigned until they are told otherwise, against one coordinator.
func TestNoTwoConsumersReadOnePartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newConsumerWorld(t)
		w.add(false) // one that stays, so that the group keeps its protocol
		actions := map[string]func(*rapid.T){
			"join":           func(t *rapid.T) { w.add(false) },
			"classic member": func(t *rapid.T) { w.add(true) },
			"beat":           func(t *rapid.T) { w.beat(w.pick(), rapid.Bool().Draw(t, "full"), rapid.Bool().Draw(t, "lost")) },
			"beat all":       func(t *rapid.T) { w.beatAll() },
			"leave":          func(t *rapid.T) { w.leave(w.pick()) },
			"die":            func(t *rapid.T) { w.die(w.pick()) },
			"restart":        func(t *rapid.T) { w.restart() },
			"topics": func(t *rapid.T) {
				w.setTopics(rapid.Int32Range(1, 6).Draw(t, "a"), rapid.Int32Range(0, 4).Draw(t, "b"))
			},
			"subscribe": func(t *rapid.T) { w.subscribe(w.pick()) },
			"":          func(t *rapid.T) { w.check() },
		}
		t.Repeat(actions)
		w.settle()
	})
}

// simConsumer is a client. reads is what it would fetch from.
type simConsumer struct {
	id      string
	classic bool
	epoch   int32
	wants   []string
	reads   Partitions
	joined  bool
	anchor  bool
}

type consumerWorld struct {
	t       *rapid.T
	c       *Coordinator
	now     int64
	log     []Record
	topics  fixedTopics
	clients []*simConsumer
	made    int
	replies []any
}

func newConsumerWorld(t *rapid.T) *consumerWorld {
	w := &consumerWorld{t: t}
	w.c = w.open()
	w.setTopics(4, 2)
	w.c.Start(0)
	return w
}

func (w *consumerWorld) open() *Coordinator {
	return New(Config{SessionMinMs: 1}, func() string { w.made++; return fmt.Sprint("id", w.made) })
}

func (w *consumerWorld) setTopics(a, b int32) {
	w.topics = fixedTopics{"a": {"a", idOf("a"), a}}
	if b > 0 {
		w.topics["b"] = Topic{"b", idOf("b"), b}
	}
	w.c.SetTopics(w.topics)
}

func (w *consumerWorld) drawTopics() []string {
	return rapid.SampledFrom([][]string{{"a"}, {"b"}, {"a", "b"}, {"a", "gone"}}).Draw(w.t, "wants")
}

func (w *consumerWorld) apply(fx Effects) {
	w.log = append(w.log, fx.Records...)
	for _, r := range fx.Replies {
		w.replies = append(w.replies, r.Response)
	}
}

// subscribe changes what a client wants. A classic member joins to say so.
func (w *consumerWorld) subscribe(m *simConsumer) {
	m.wants = w.drawTopics()
	if m.classic {
		m.joined = false
	}
}

const simClientsMax = 6

func (w *consumerWorld) add(classic bool) {
	if len(w.clients) >= simClientsMax {
		return
	}
	w.made++
	m := &simConsumer{id: fmt.Sprint("m", w.made), classic: classic, wants: []string{"a"}, anchor: len(w.clients) == 0, reads: Partitions{}}
	if !m.anchor {
		m.wants = w.drawTopics()
	}
	w.clients = append(w.clients, m)
	w.beat(m, true, false)
}

func (w *consumerWorld) pick() *simConsumer {
	return w.clients[rapid.IntRange(0, len(w.clients)-1).Draw(w.t, "who")]
}

// beat has a client do what it does next. lost loses the answer.
func (w *consumerWorld) beat(m *simConsumer, full, lost bool) {
	if m.classic {
		w.beatClassicMember(m, lost)
		return
	}
	r := ConsumerHeartbeatRequest{Group: "g", Member: m.id, Epoch: m.epoch, RebalanceMs: -1, NamesItself: true}
	if !m.joined {
		r.Epoch, m.reads = 0, Partitions{}
	}
	if full || r.Epoch == 0 {
		r.RebalanceMs, r.Names, r.Owned = 300_000, m.wants, m.reads
	}
	resp, fx, err := w.c.ConsumerHeartbeat(w.now, r)
	w.apply(fx)
	switch {
	case errors.Is(err, ErrFencedEpoch), errors.Is(err, ErrUnknownMember):
		m.reads, m.joined, m.epoch = Partitions{}, false, 0
	case err != nil:
		w.t.Fatalf("%s: %v", m.id, err)
	case !lost:
		m.joined, m.epoch = true, resp.Epoch
		if resp.Assignment != nil {
			m.reads = resp.Assignment
		}
	}
}

// beatClassicMember is a client of the classic protocol with cooperative rebalances.
func (w *consumerWorld) beatClassicMember(m *simConsumer, lost bool) {
	if m.joined {
		err := w.c.Heartbeat(w.now, HeartbeatRequest{Group: "g", Member: m.id, Generation: m.epoch})
		switch {
		case err == nil || lost:
			return
		case errors.Is(err, ErrUnknownMember), errors.Is(err, ErrIllegalGeneration):
			m.reads = Partitions{}
		case !errors.Is(err, ErrRebalanceInProgress):
			w.t.Fatalf("%s: heartbeat: %v", m.id, err)
		}
	}
	m.joined = false
	w.replies = nil
	w.apply(w.c.Join(w.now, 1, JoinRequest{
		Group: "g", Member: m.id, SessionMs: 45_000, RebalanceMs: 300_000, ProtocolType: consumerType,
		Protocols: []Protocol{{"cooperative-sticky", owning(m.wants, m.owned())}},
	}))
	joined := w.replies[0].(JoinResponse)
	if joined.Err != nil {
		w.t.Fatalf("%s: join: %v", m.id, joined.Err)
	}
	if lost {
		return
	}
	w.replies = nil
	w.apply(w.c.Sync(w.now, 2, SyncRequest{Group: "g", Member: m.id, Generation: joined.Generation}))
	synced := w.replies[0].(SyncResponse)
	if synced.Err != nil {
		return // rebalancing again
	}
	m.joined, m.epoch = true, joined.Generation
	m.reads = w.c.assignedByID(synced.Assignment)
}

// owned is what places reads.
func (m *simConsumer) owned() (list []string) {
	m.reads.each(func(p place) {
		name := string(p.topic[:1])
		list = append(list, fmt.Sprint(name, ":", p.partition))
	})
	slices.Sort(list)
	return list
}

func (w *consumerWorld) beatAll() {
	for _, m := range w.clients {
		w.beat(m, true, false)
	}
}

func (w *consumerWorld) leave(m *simConsumer) {
	if m.anchor || !m.joined {
		return
	}
	if m.classic {
		_, fx := w.c.Leave(w.now, LeaveRequest{"g", []Leaver{{Member: m.id}}})
		w.apply(fx)
	} else {
		_, fx, _ := w.c.ConsumerHeartbeat(w.now, ConsumerHeartbeatRequest{Group: "g", Member: m.id, Epoch: epochLeave, RebalanceMs: -1})
		w.apply(fx)
	}
	w.gone(m)
}

func (w *consumerWorld) gone(m *simConsumer) {
	w.clients = slices.DeleteFunc(w.clients, func(o *simConsumer) bool { return o == m })
}

// die has a client fall silent for longer than its session, while the others go on.
func (w *consumerWorld) die(m *simConsumer) {
	if m.anchor {
		return
	}
	w.gone(m)
	for range 6 {
		w.now += 10_000
		w.apply(w.c.Tick(w.now))
		w.beatAll()
		w.check()
	}
	if w.c.groups["g"].modern.members[m.id] != nil {
		w.t.Fatalf("%s outlives its session", m.id)
	}
}

// restart folds the log into a new coordinator.
func (w *consumerWorld) restart() {
	before, _ := w.c.DescribeConsumer("g")
	heldBefore := w.held()
	w.c = w.open()
	for _, r := range compacted(w.log) {
		if err := w.c.Replay(r.Key, r.Value); err != nil {
			w.t.Fatal(err)
		}
	}
	w.c.SetTopics(w.topics)
	w.c.Start(w.now)
	after, _ := w.c.DescribeConsumer("g")
	if !reflect.DeepEqual(before, after) {
		w.t.Fatalf("the log folds to\n%+v\nand was\n%+v", after, before)
	}
	if held := w.held(); !maps.Equal(heldBefore, held) {
		w.t.Fatalf("the log folds to holds %v and was %v", held, heldBefore)
	}
}

// held says who holds what since when.
func (w *consumerWorld) held() map[place]string {
	all := make(map[place]string)
	for p, h := range w.c.groups["g"].modern.held {
		all[p] = fmt.Sprint(h.by.id, " since ", h.since)
	}
	return all
}

// compacted keeps the last record of each key, in order.
func compacted(log []Record) (kept []Record) {
	last := make(map[string]int)
	for i, r := range log {
		last[string(r.Key)] = i
	}
	for i, r := range log {
		if last[string(r.Key)] == i {
			kept = append(kept, r)
		}
	}
	return kept
}

// check holds the clients against each other and the coordinator against itself.
func (w *consumerWorld) check() {
	reader := make(map[place]string)
	mg := w.c.groups["g"].modern
	for _, m := range w.clients {
		m.reads.each(func(p place) {
			if other, taken := reader[p]; taken {
				w.t.Fatalf("%s and %s both read %s-%d", other, m.id, p.topic[:1], p.partition)
			}
			reader[p] = m.id
		})
	}
	size, n := 0, 0
	for _, m := range mg.members {
		size += m.size()
		n += m.assigned.count() + m.revoking.count()
		m.assigned.plus(m.revoking).each(func(p place) {
			if mg.held[p].by != m {
				w.t.Fatalf("%s has %v, which another holds", m.id, p)
			}
		})
		if m.epoch > mg.assignmentEpoch {
			w.t.Fatalf("%s is in epoch %d, and the target in %d", m.id, m.epoch, mg.assignmentEpoch)
		}
	}
	if n != len(mg.held) || size != mg.bytes || mg.assignmentEpoch > mg.epoch {
		w.t.Fatalf("%d held of %d; %d bytes of %d; target %d of epoch %d", len(mg.held), n, mg.bytes, size, mg.assignmentEpoch, mg.epoch)
	}
}

// settle lets everybody be heard until nothing moves any more.
func (w *consumerWorld) settle() {
	for range 20 {
		w.beatAll()
		w.check()
	}
	d, err := w.c.DescribeConsumer("g")
	if err != nil || d.State != Stable {
		w.t.Fatalf("the group is %v: %v", d.State, err)
	}
	wanted := make(map[place]bool)
	readers := make(map[TopicID]int)
	for _, m := range w.clients {
		for _, name := range m.wants {
			if t, ok := w.topics[name]; ok {
				readers[t.ID]++
				for p := range t.Partitions {
					wanted[place{t.ID, p}] = true
				}
			}
		}
	}
	for _, m := range w.clients {
		m.reads.each(func(p place) { delete(wanted, p) })
	}
	if len(wanted) > 0 {
		w.t.Fatalf("nobody reads %v", wanted)
	}
	w.fair()
}

// fair checks that no partition could move to a member with two fewer.
func (w *consumerWorld) fair() {
	for _, m := range w.clients {
		for _, o := range w.clients {
			if m.reads.count() < o.reads.count()+2 {
				continue
			}
			m.reads.each(func(p place) {
				if slices.Contains(o.wants, string(p.topic[:1])) {
					w.t.Fatalf("%s has %d, %s has %d and could have %s-%d", m.id, m.reads.count(), o.id, o.reads.count(), p.topic[:1], p.partition)
				}
			})
		}
	}
}
