package client

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// world is views that contend for one lock in virtual time: a log, what the
// requests take, and processors that they share. What the views do is what Fold
// and Update do, step by step; turns is the real thing.
type world struct {
	rng   *rand.Rand
	now   time.Time
	queue events
	order int
	cpus  []time.Time // when each has nothing to do any more
	conditions

	log     []simWrite
	parked  []*simView
	views   []*simView
	tries   int
	fetches int
	took    []time.Duration
}

// conditions are what a world is like.
type conditions struct {
	views   int
	cpus    int           // 0: more than there is to do
	work    time.Duration // of a processor for one side of a request, about
	look    time.Duration // of a processor, when a fetch that waits looks for more
	net     time.Duration // on the way, about
	hiccups int           // of how many works one takes a hundred times as long; 0: none
	think   time.Duration // between an update and the next, about
}

type simWrite struct {
	record *kgo.Record
	at     time.Time
}

type event struct {
	at    time.Time
	order int
	do    func()
}

type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].order < e[j].order
}
func (e *events) Push(x any) { *e = append(*e, x.(event)) }
func (e *events) Pop() any   { old := *e; x := old[len(old)-1]; *e = old[:len(old)-1]; return x }

func newWorld(c conditions, seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1, 0), conditions: c, cpus: make([]time.Time, c.cpus)}
	for i := range c.views {
		v := &simView{w: w, basis: -1}
		v.turns.rng = rand.New(rand.NewPCG(seed, uint64(i)))
		v.turns.self = fmt.Sprintf("%s%013d", viewPrefix, i)
		w.views = append(w.views, v)
		w.after(0, v.feed)
		w.after(time.Duration(i)*time.Microsecond, v.update)
	}
	return w
}

// run lets time pass until there are so many writes.
func (w *world) run(t *testing.T, writes int) {
	for until := len(w.log) + writes; len(w.log) < until; {
		e := heap.Pop(&w.queue).(event)
		if e.at.Sub(time.Unix(1, 0)) > time.Hour {
			t.Fatalf("an hour has passed, and there are %d writes", len(w.log))
		}
		w.now = e.at
		e.do()
	}
}

func (w *world) after(d time.Duration, do func()) {
	w.order++
	heap.Push(&w.queue, event{w.now.Add(d), w.order, do})
}

// some is about d.
func (w *world) some(d time.Duration) time.Duration {
	return d/2 + time.Duration(w.rng.Int64N(int64(d)+1))
}

// work takes a processor, and then does.
func (w *world) work(do func()) {
	d := w.some(w.conditions.work)
	if w.hiccups > 0 && w.rng.IntN(w.hiccups) == 0 {
		d *= 100
	}
	w.after(w.busy(d), do)
}

// busy takes a processor, and returns when it will be done.
func (w *world) busy(d time.Duration) time.Duration {
	if len(w.cpus) == 0 {
		return d
	}
	first := 0
	for i, free := range w.cpus {
		if free.Before(w.cpus[first]) {
			first = i
		}
	}
	if w.cpus[first].Before(w.now) {
		w.cpus[first] = w.now
	}
	w.cpus[first] = w.cpus[first].Add(d)
	return w.cpus[first].Sub(w.now)
}

// request is worked on here, by the broker, and here again.
func (w *world) request(broker func(answer func(done func()))) {
	w.work(func() {
		w.after(w.some(w.net), func() {
			w.work(func() {
				broker(func(done func()) { w.after(w.some(w.net), func() { w.work(done) }) })
			})
		})
	})
}

// append is the broker's part of a Produce.
func (w *world) append(r *kgo.Record, basis int) (ok bool) {
	w.tries++
	if basis < len(w.log)-1 {
		return false
	}
	r.Offset = int64(len(w.log))
	w.log = append(w.log, simWrite{r, w.now})
	for _, v := range slices.Clone(w.parked) {
		v.look()
	}
	for range w.parked {
		w.busy(w.look) // as those do that had too little
	}
	return true
}

// simView is a view with one writer.
type simView struct {
	w     *world
	turns turns
	basis int // the last write that is applied
	id    uint64
	dead  bool

	// The feed.
	blind   bool
	rested  int // counts rests, so that the timer of one that was ended does nothing
	resting bool
	reading reading
	from    int // of the fetch that is parked
	answer  func(func())
	parkID  int

	// The writer.
	began     time.Time
	inLine    bool
	until     int64
	refused   int
	waiting   int // for this offset; 0: not
	turnID    int // counts waits for the turn, as rested does
	own       own
	onCatchUp func()
}

// plan is Fold.plan.
func (v *simView) plan() reading {
	var r reading
	switch {
	case v.waiting > v.basis+1:
		r = readOn
	case !v.inLine:
		r = v.own.reading(v.turns.lull(), v.w.now)
	default:
		r = v.turns.reading("hot", v.until, v.w.now)
	}
	was := v.blind
	v.blind = r.blind()
	if was && !v.blind && v.inLine {
		v.awaitTurn()
	}
	return r
}

// feed is feed.run, once round.
func (v *simView) feed() {
	if v.dead {
		return
	}
	v.resting = false
	r := v.plan()
	if r.rest == 0 {
		v.fetch(r)
		return
	}
	v.resting = true
	v.rested++
	rest := v.rested
	v.w.after(r.rest+time.Duration(v.w.rng.Int64N(int64(timerLate))), func() {
		if v.resting && v.rested == rest {
			v.resting = false
			if r.writes == 0 {
				v.feed()
				return
			}
			v.fetch(r)
		}
	})
}

func (v *simView) stir() {
	if v.resting {
		v.resting = false
		v.rested++
		v.w.after(0, v.feed)
	}
}

func (v *simView) fetch(r reading) {
	v.w.fetches++
	v.reading, v.from = r, v.basis
	v.w.request(func(answer func(func())) {
		v.answer = answer
		v.parkID++
		park := v.parkID
		v.w.parked = append(v.w.parked, v)
		wait := 500 * time.Millisecond
		if r.writes > 1 {
			wait = time.Millisecond + r.within.Truncate(time.Millisecond)
		}
		v.w.after(wait, func() {
			if v.answer != nil && v.parkID == park {
				v.respond()
			}
		})
		v.look()
	})
}

func (v *simView) look() {
	if len(v.w.log)-1-v.from >= v.reading.writes {
		v.respond()
	}
}

func (v *simView) respond() {
	answer, upTo := v.answer, len(v.w.log)
	v.answer = nil
	v.w.parked = slices.DeleteFunc(v.w.parked, func(o *simView) bool { return o == v })
	answer(func() {
		var records []*kgo.Record
		for _, w := range v.w.log[min(v.basis+1, upTo):upTo] {
			records = append(records, w.record)
		}
		v.take(records)
		v.feed()
	})
}

func (v *simView) take(records []*kgo.Record) {
	if len(records) == 0 {
		return
	}
	v.turns.see(records, v.w.now)
	v.basis += len(records)
	switch {
	case v.waiting > 0:
		v.caughtUp()
	case v.inLine:
		v.awaitTurn()
	}
}

// update is Fold.Update.
func (v *simView) update() {
	if v.dead {
		return
	}
	v.began = v.w.now
	v.turns.wants([]string{"hot"}, v.w.now)
	v.until, v.refused = v.turns.enter("hot"), 0
	v.awaitTurn()
}

func (v *simView) awaitTurn() {
	v.turnID++
	d := v.turns.wait("hot", v.until, v.w.now)
	if d == 0 {
		v.inLine = false
		v.append()
		return
	}
	if !v.inLine {
		v.inLine = true
		v.stir()
	}
	if v.blind {
		return
	}
	turn := v.turnID
	v.w.after(d, func() {
		if v.inLine && v.turnID == turn {
			v.awaitTurn()
		}
	})
}

func (v *simView) append() {
	began, basis := v.w.now, v.basis
	v.own.inFlight++
	v.id++
	id := newID(v.turns.self, v.id, v.turns.more([]string{"hot"}, ""))
	r := &kgo.Record{Headers: []kgo.RecordHeader{{Key: "lock-write", Value: []byte("other@3 hot")},
		{Key: "lock-id", Value: []byte(id)}}}
	v.w.request(func(answer func(func())) {
		if v.dead {
			return
		}
		ok := v.w.append(r, basis)
		last := len(v.w.log) - 1
		answer(func() {
			v.own.inFlight--
			v.turns.took(v.w.now.Sub(began))
			if !ok {
				_, by := v.w.log[last].record, string(v.w.log[last].record.Headers[1].Value)
				v.turns.refused("hot", by, v.w.now)
				v.waiting = last + 1
				v.onCatchUp = func() {
					if v.refused++; v.refused == 1 {
						v.until = v.turns.enter("hot")
					} else {
						v.until = v.turns.again("hot", v.refused)
					}
					v.awaitTurn()
				}
				v.stir()
				v.caughtUp()
				return
			}
			if v.own.appliedDirectly = v.basis == int(r.Offset)-1; v.own.appliedDirectly {
				v.own.committed = v.w.now
				v.turns.see([]*kgo.Record{r}, v.w.now)
				v.basis++
			}
			v.turns.done([]string{"hot"}, v.w.now)
			v.w.took = append(v.w.took, v.w.now.Sub(v.began))
			next := v.update
			if v.w.think > 0 {
				next = func() { v.w.after(v.w.some(v.w.think), v.update) }
			}
			v.waiting, v.onCatchUp = int(r.Offset)+1, next
			if v.basis < int(r.Offset) {
				v.stir()
			}
			v.caughtUp()
		})
	})
}

// caughtUp goes on when what was waited for is applied.
func (v *simView) caughtUp() {
	if v.basis+1 >= v.waiting {
		v.waiting = 0
		v.onCatchUp()
	}
}

// summary is what became of a world.
type summary struct {
	writes               int
	rate                 float64       // writes a second
	tries, fetches, turn float64       // a write; writes a turn
	p50, p99, gap        time.Duration // of updates; the longest between two writes
	least                float64       // writes of the view that has fewest, of what would be fair
}

// since sums up what came behind the first writes.
func (w *world) since(first int) (s summary) {
	log := w.log[first:]
	writes, turns, last := map[string]int{}, 0, ""
	for i, l := range log {
		by, _ := viewOf(string(l.record.Headers[1].Value))
		writes[by]++
		if by != last {
			turns++
		}
		if last = by; i > 0 {
			s.gap = max(s.gap, l.at.Sub(log[i-1].at))
		}
	}
	s.writes = len(log)
	n := float64(len(log))
	s.rate = n / log[len(log)-1].at.Sub(log[0].at).Seconds()
	s.tries, s.fetches, s.turn = float64(w.tries)/n, float64(w.fetches)/n, n/float64(turns)
	slices.Sort(w.took)
	s.p50, s.p99 = w.took[len(w.took)/2], w.took[len(w.took)*99/100]
	s.least = 1
	for _, v := range w.views {
		s.least = min(s.least, float64(writes[v.turns.self]*len(w.views))/n)
	}
	return s
}

// play lets a world find its way, and then counts.
func play(t *testing.T, c conditions, seed uint64) summary {
	w := newWorld(c, seed)
	w.run(t, 50*c.views)
	w.tries, w.fetches, w.took = 0, 0, nil
	first := len(w.log)
	w.run(t, max(1000, 100*c.views))
	s := w.since(first)
	t.Logf("%2d views: %5.0f writes/s, %.2f tries, %.2f fetches, %.1f writes a turn, p50 %v, p99 %v, gap %v, least %.2f",
		c.views, s.rate, s.tries, s.fetches, s.turn, s.p50, s.p99, s.gap, s.least)
	return s
}

var (
	near    = conditions{cpus: 2, work: 20 * time.Microsecond, look: 5 * time.Microsecond, net: 10 * time.Microsecond}
	hiccups = conditions{cpus: 2, work: 20 * time.Microsecond, look: 5 * time.Microsecond, net: 10 * time.Microsecond,
		hiccups: 300}
	far     = conditions{work: 20 * time.Microsecond, net: 500 * time.Microsecond}
	leisure = conditions{cpus: 2, work: 20 * time.Microsecond, look: 5 * time.Microsecond, net: 10 * time.Microsecond,
		think: 2 * time.Millisecond}
)

// TestViewsOfOneLockTakeTurns: hardly a try is in vain, views hardly read, nobody
// is left out, and many get as much done as one alone, or at least a part of it
// where one that is held up holds up all.
func TestViewsOfOneLockTakeTurns(t *testing.T) {
	for _, c := range []struct {
		name string
		conditions
		part float64
	}{{"near", near, 0.7}, {"far", far, 0.7}, {"hiccups", hiccups, 0.3}} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(2) {
				alone := play(t, c.with(1), seed)
				for _, n := range []int{2, 8, 32} {
					s := play(t, c.with(n), seed)
					if s.tries > 1.2 || s.fetches > 1.5 || s.least < 0.5 || s.rate < c.part*alone.rate {
						t.Errorf("seed %d, %d views: %+v; one alone: %.0f writes/s", seed, n, s, alone.rate)
					}
				}
			}
		})
	}
}

// TestManyViewsThatBeginAtOnceFindTheirTurns though processors are short: a view
// that is never refused does not know that others want what it has.
func TestManyViewsThatBeginAtOnceFindTheirTurns(t *testing.T) {
	busy := near
	busy.work = 50 * time.Microsecond
	for seed := range uint64(4) {
		w := newWorld(busy.with(32), seed)
		w.run(t, 400)
		if s := w.since(0); s.tries > 3 {
			t.Errorf("seed %d: %+v", seed, s)
		}
	}
}

// TestViewsThatAreNotInAHurry come back after a while, and want no second write
// at once.
func TestViewsThatAreNotInAHurry(t *testing.T) {
	for seed := range uint64(2) {
		for _, n := range []int{2, 8, 32} {
			if s := play(t, leisure.with(n), seed); s.tries > 1.6 || s.turn > 1.5 || s.least < 0.5 {
				t.Errorf("seed %d, %d views: %+v", seed, n, s)
			}
		}
	}
}

// TestAViewThatDiesInItsTurnCostsTheLineOneWait, wherever in its turn it dies.
func TestAViewThatDiesInItsTurnCostsTheLineOneWait(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(near.with(8), seed)
		w.run(t, 400+int(seed))
		by, _ := viewOf(string(w.log[len(w.log)-1].record.Headers[1].Value))
		for _, v := range w.views {
			v.dead = v.dead || v.turns.self == by
		}
		died := len(w.log)
		w.run(t, 400)
		s := w.since(died - 1)
		if s.gap > 3*time.Millisecond {
			t.Errorf("seed %d: nobody wrote for %v", seed, s.gap)
		}
	}
}

func (c conditions) with(views int) conditions {
	c.views = views
	return c
}
