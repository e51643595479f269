package txn

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Goal: whatever clients, tools, time and crashes do, a transaction ends one way
// in all of its partitions, an answered end is that way, only who was given a
// producer last writes with it, and the state is what the log says. Method: random
// commands with the producers that clients were ever given, beside a model of the
// partitions. A crash loses the records that were not committed and what waits for
// them; markers may arrive twice and late.
func TestTransactionsEndOneWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		t.Repeat(map[string]func(*rapid.T){
			"init":    w.init,
			"add":     w.add,
			"add too": w.add,
			"end":     w.end,
			"end too": w.end,
			"abort":   w.abort,
			"mark":    w.mark,
			"pass":    func(t *rapid.T) { w.now += rapid.Int64Range(1, 3000).Draw(t, "ms"); w.take(t, w.c.Tick(w.now)) },
			"commit":  func(*rapid.T) { w.commit() },
			"crash":   func(t *rapid.T) { w.open(t, slices.Clone(w.log[:w.committed])) },
			"restart": func(t *rapid.T) { w.open(t, slices.Clone(w.log)) },
			"":        w.check,
		})
	})
}

// written is a transaction as its partitions have it.
type written struct {
	producer Producer // of its batches
	open     map[Partition]bool
	ended    bool
	commit   bool // how, in the partitions that were marked
	ending   bool // its client asked for the end, and writes no more until it is told
	told     bool
}

type world struct {
	c         *Coordinator
	now       int64
	spare     int64
	calls     CallID
	log       []Record
	committed int              // records of it
	waiting   []waitingMarkers // for their records to be committed
	sent      []Markers        // may arrive, once or more often
	given     map[string][]Producer
	last      map[string]*written
	ends      map[CallID]end
	tools     map[CallID]bool
	marked    map[place]int64 // the number of the last marker
}

// place is a producer in a partition.
type place struct {
	producer int64
	Partition
}

type waitingMarkers struct {
	Markers
	behind int
}

// end is an EndTxn that waits.
type end struct {
	id     string
	of     *written
	commit bool
}

func newWorld() *world {
	w := &world{given: map[string][]Producer{}, last: map[string]*written{}, ends: map[CallID]end{}, tools: map[CallID]bool{}, marked: map[place]int64{}}
	w.open(nil, nil)
	return w
}

func (w *world) open(t *rapid.T, log []Record) {
	w.c = New(Config{}, goneTopics{})
	for _, r := range log {
		if err := w.c.Replay(r.Key, r.Value); err != nil {
			panic(err)
		}
	}
	w.log, w.committed, w.waiting = log, len(log), nil
	clear(w.ends) // nobody answers them
	clear(w.tools)
	w.spare += 1000
	for i := range int64(50) {
		w.c.GiveProducerIDs(w.spare + i)
	}
	w.take(t, w.c.Start(w.now))
}

// abort has a tool end a transaction. It is told of the end, and not whose it was.
func (w *world) abort(t *rapid.T) {
	w.calls++
	_, done, fx, err := w.c.Abort(w.now, w.id(t), w.calls)
	if err == nil && !done {
		w.tools[w.calls] = true
	}
	w.take(t, fx)
}

func (w *world) take(t *rapid.T, fx Effects) {
	w.log = append(w.log, fx.Records...)
	for _, m := range fx.Markers {
		w.waiting = append(w.waiting, waitingMarkers{m, len(w.log)})
	}
	for _, r := range fx.Replies {
		if w.tools[r.Call] {
			delete(w.tools, r.Call)
			continue
		}
		e, ok := w.ends[r.Call]
		if !ok {
			t.Fatalf("call %d is answered and was not made", r.Call)
		}
		delete(w.ends, r.Call)
		w.told(t, e)
		w.given[e.id] = append(w.given[e.id], r.Producer)
	}
	w.send()
}

// told holds an answer of success against what the partitions have.
func (w *world) told(t *rapid.T, e end) {
	if e.of != nil && (len(e.of.open) > 0 || e.of.ended && e.of.commit != e.commit || e.commit && !e.of.ended) {
		t.Fatalf("a client is told commit %v of %+v", e.commit, e.of)
	}
	if e.of != nil {
		e.of.told = true
	}
}

func (w *world) commit() {
	w.committed = len(w.log)
	w.send()
}

// send lets the markers go whose records are committed.
func (w *world) send() {
	w.waiting = slices.DeleteFunc(w.waiting, func(m waitingMarkers) bool {
		if m.behind <= w.committed {
			w.sent = append(w.sent, m.Markers)
		}
		return m.behind <= w.committed
	})
}

func (w *world) id(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(t, "id")
}

// producer is one that a client was given, most often the newest.
func (w *world) producer(t *rapid.T, id string) Producer {
	all := w.given[id]
	if len(all) == 0 {
		return Producer{1, 0}
	}
	behind := rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "behind")
	return all[max(0, len(all)-1-behind)]
}

// newest reports whether nobody was given the id after p.
func (w *world) newest(id string, p Producer) bool {
	all := w.given[id]
	return len(all) > 0 && all[len(all)-1] == p
}

func (w *world) init(t *rapid.T) {
	id := w.id(t)
	was := Producer{None, noEpoch}
	if rapid.Bool().Draw(t, "known") {
		was = w.producer(t, id)
	}
	_, unknown := w.c.Describe(id)
	newest := w.newest(id, was)
	p, fx, err := w.c.Init(w.now, InitRequest{id, 5000, was})
	w.take(t, fx)
	if err != nil {
		return
	}
	w.commit() // before the answer
	if slices.Contains(w.given[id], p) && (was.ID == None || was.ID == p.ID && was.Epoch+1 != p.Epoch) {
		t.Fatalf("%v was given before", p)
	}
	if was.ID != None && unknown == nil && !newest && !w.newest(id, p) {
		t.Fatalf("%v becomes %v, and the id was given to %v", was, p, w.given[id])
	}
	w.given[id] = append(w.given[id], p)
}

// add has a client write to a partition that it could add.
func (w *world) add(t *rapid.T) {
	id := w.id(t)
	p, part := w.producer(t, id), Partition{Topic: "t", Index: rapid.Int32Range(0, 2).Draw(t, "partition")}
	before, _ := w.c.Describe(id)
	if last := w.last[id]; last != nil && last.producer == p && last.ending && !last.told {
		return
	}
	fx, err := w.c.Add(w.now, AddRequest{id, p, []Partition{part}, rapid.Bool().Draw(t, "implicit")})
	w.take(t, fx)
	if err != nil {
		return
	}
	w.commit()
	if !w.newest(id, p) {
		t.Fatalf("%v writes for %s, which was given to %v", p, id, w.given[id])
	}
	if before.State != Ongoing {
		if last := w.last[id]; last != nil && len(last.open) > 0 {
			t.Fatalf("a transaction begins, and %+v is open", last)
		} else if last != nil && last.producer == p && !last.told {
			t.Fatalf("%+v ended behind its client's back, who goes on", last)
		}
		w.last[id] = &written{producer: p, open: map[Partition]bool{}}
	}
	w.last[id].open[part] = true
}

func (w *world) end(t *rapid.T) {
	id := w.id(t)
	w.calls++
	r := EndRequest{id, w.producer(t, id), rapid.Bool().Draw(t, "commit"), rapid.Bool().Draw(t, "v5"), w.calls}
	e := end{id: id, commit: r.Commit}
	if last := w.last[id]; last != nil && last.producer == r.Producer {
		e.of, last.ending = last, true
	}
	p, done, fx, err := w.c.End(w.now, r)
	if err == nil && !done {
		if !w.newest(id, r.Producer) {
			t.Fatalf("%+v ends a transaction of %v", r, w.given[id])
		}
		w.ends[r.Call] = e
	}
	w.take(t, fx)
	if err == nil && done {
		w.commit()
		if len(fx.Records) > 0 { // an abort of nothing
			e.of, w.last[id] = nil, nil
		}
		w.told(t, e)
		w.given[id] = append(w.given[id], p)
	}
}

// mark lets markers arrive in some of their partitions, perhaps not for the first time.
func (w *world) mark(t *rapid.T) {
	if len(w.sent) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.sent)-1).Draw(t, "markers")
	m := w.sent[i]
	last := w.last[m.TransactionalID]
	ours := last != nil && last.producer.ID == m.ID
	n := len(m.Partitions)
	if rapid.Bool().Draw(t, "some") {
		n = rapid.IntRange(0, n).Draw(t, "of them")
	}
	for _, p := range m.Partitions[:n] {
		at := place{m.ID, p}
		if m.Number <= w.marked[at] {
			continue
		}
		w.marked[at] = m.Number
		if !ours || !last.open[p] || m.Epoch < last.producer.Epoch {
			continue
		}
		if last.ended && last.commit != m.Commit {
			t.Fatalf("%+v is ended by %+v", last, m)
		}
		last.ended, last.commit = true, m.Commit
		delete(last.open, p)
	}
	part := m
	part.Partitions = m.Partitions[:n]
	w.take(t, w.c.Marked(w.now, part))
	if n == len(m.Partitions) && rapid.Bool().Draw(t, "once") {
		w.sent = slices.Delete(w.sent, i, i+1)
	}
}

// check folds the log anew and compares.
func (w *world) check(t *rapid.T) {
	w.send()
	folded := New(Config{}, goneTopics{})
	for _, r := range w.log {
		if err := folded.Replay(r.Key, r.Value); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := slices.Sorted(maps.Keys(folded.byID)), slices.Sorted(maps.Keys(w.c.byID)); !slices.Equal(got, want) {
		t.Fatalf("the log has %v, the coordinator %v", got, want)
	}
	for id, x := range w.c.byID {
		y := folded.byID[id]
		if !bytes.Equal(x.value(), y.value()) || x.lastEpoch != y.lastEpoch {
			t.Fatalf("the log has %+v, the coordinator %+v", y.describe(), x.describe())
		}
		if x.state.ending() && len(x.unmarked) == 0 || x.state == Ongoing && len(x.partitions) == 0 {
			t.Fatalf("%+v", x.describe())
		}
	}
}

// Goal: at the end of its epochs a producer gets another id, and its client
// hears of it, also when the answer is lost.
func TestEpochsEndInAnotherProducer(t *testing.T) {
	c := New(Config{}, goneTopics{})
	c.GiveProducerIDs(1, 2, 3)
	p, _, err := c.Init(0, InitRequest{"a", 1000, Producer{None, noEpoch}})
	if err != nil {
		t.Fatal(err)
	}
	c.byID["a"].producer.Epoch = exhausted
	p.Epoch = exhausted
	add := AddRequest{"a", p, []Partition{{Topic: "t"}}, true}
	if _, err := c.Add(0, add); err != nil {
		t.Fatal(err)
	}
	_, _, fx, err := c.End(0, EndRequest{"a", p, true, true, 7})
	if err != nil || fx.Markers[0].Producer != (Producer{1, exhausted + 1}) {
		t.Fatalf("%+v, %v", fx, err)
	}
	if got := c.Marked(0, fx.Markers[0]).Replies; len(got) != 1 || got[0].Producer != (Producer{2, 0}) {
		t.Fatalf("replies %+v", got)
	}
	if again, done, _, err := c.End(0, EndRequest{"a", p, true, true, 8}); err != nil || !done || again != (Producer{2, 0}) {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	if _, err := c.Add(0, add); err != ErrMapping {
		t.Errorf("the old producer goes on: %v", err)
	}
	// The same in the middle of a transaction of an older client, fenced.
	c.byID["a"].producer.Epoch = exhausted
	if _, err := c.Add(0, AddRequest{"a", Producer{2, exhausted}, []Partition{{Topic: "t"}}, false}); err != nil {
		t.Fatal(err)
	}
	_, fx, err = c.Init(0, InitRequest{"a", 1000, Producer{None, noEpoch}})
	if err != ErrConcurrent || fx.Markers[0].Producer != (Producer{2, exhausted + 1}) {
		t.Fatalf("%+v, %v", fx, err)
	}
	c.Marked(0, fx.Markers[0])
	if p, _, err := c.Init(0, InitRequest{"a", 1000, Producer{None, noEpoch}}); err != nil || p != (Producer{3, 1}) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, _, err := c.Init(0, InitRequest{"a", 1000, Producer{2, exhausted}}); err != ErrFenced {
		t.Errorf("the old producer: %v", err)
	}
}

// FuzzReplay: no record of the log, whoever wrote it, does more than be refused.
func FuzzReplay(f *testing.F) {
	t := transaction{id: "a", producer: Producer{1, 2}, previous: None, next: 5, lastEpoch: 1, state: Ongoing, bumps: true,
		partitions: map[Partition]bool{{Topic: "t", Index: 3}: true, {Topic: "t", TopicID: [16]byte{1}}: true}}
	f.Add(keyOf("a"), t.value())
	f.Add(keyOf("a"), []byte(nil))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		c := New(Config{}, goneTopics{})
		if c.Replay(key, value) != nil {
			return
		}
		for _, x := range c.byID {
			if again, err := read(x.value()); err != nil || !bytes.Equal(again.value(), x.value()) {
				t.Fatalf("%+v reads back as %+v, %v", x, again, err)
			}
		}
	})
}
