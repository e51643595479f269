package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// World is one run of one cluster, on one goroutine.
type World struct {
	clock
	rng  *rand.Rand
	o    Scenario
	bugs Bugs
	net  network

	store     *store.Memory
	storeDown bool
	preferred bool
	brokers   []*broker
	clients   []*client
	flip      flip

	healed  bool // nothing breaks any more
	closing bool // clients begin nothing more
	checker *checker
	marks   Marks
	failure *Failure
	logf    func(format string, args ...any) // of each step, when a run is looked at; or nil
}

type flip struct {
	of  *broker
	at  int
	was record.Batch
}

// Failure is the first invariant that a run broke.
type Failure struct {
	Seed      uint64
	Invariant string
	AtMs      int64
	Text      string
}

// Error says how to see it again.
func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d, after %d ms: %s: %s", f.Seed, f.AtMs, f.Invariant, f.Text)
}

// Result is what a run tells.
type Result struct {
	Failure *Failure
	Marks   Marks
	Offsets int // in the final log
	Events  uint64
	Micros  int64 // simulated
}

const (
	healMicros  = 400 * ms    // of further work after the last fault
	restMax     = 30_000 * ms // in which all must come to rest
	matchEvery  = 150 * ms
	eventsLimit = 3_000_000
)

// Run is one seed from start to rest. The same seed and bugs give the same result.
func Run(seed uint64, bugs Bugs) Result { return Trace(seed, bugs, nil) }

// Trace is Run, told step by step.
func Trace(seed uint64, bugs Bugs, logf func(format string, args ...any)) (r Result) {
	w := newWorld(seed, bugs)
	w.logf = logf
	defer func() {
		if p := recover(); p != nil {
			w.fail("panic", "%v", p)
			if !bugged(bugs) {
				panic(fmt.Sprintf("%v: %v", w.failure, p))
			}
		}
		if w.failure != nil {
			w.failure.Seed = seed
		}
		r = Result{w.failure, w.marks, len(w.checker.acked), w.serial, w.now}
	}()
	w.run()
	return r
}

func bugged(b Bugs) bool { return b != Bugs{} }

func newWorld(seed uint64, bugs Bugs) *World {
	w := &World{rng: rand.New(rand.NewPCG(seed, 0x10c257e9)), bugs: bugs, marks: Marks{}}
	w.o = scenario(w.rng)
	w.checker = newChecker(w)
	w.net = network{w: w, cut: map[[2]int]bool{}, loss: w.o.Loss, duplicate: w.o.Duplicate, slow: w.o.Slow, delayMax: w.o.DelayMax}
	w.store = store.NewMemory(func() time.Time { return time.UnixMicro(w.now) })
	first := image.Partition{PartitionState: protocol.PartitionState{Leader: protocol.NoBroker}}
	for i := range w.o.Brokers {
		b := &broker{w: w, id: protocol.BrokerID(i + 1), disk: &disk{ignoresCRC: bugs.IgnoreCRC}, skew: w.rng.Int64N(10_000 * ms)}
		w.brokers = append(w.brokers, b)
		first.Replicas = append(first.Replicas, b.id)
		first.ISR = append(first.ISR, protocol.Member{ID: b.id})
	}
	w.store.Txn(context.Background(), nil, []store.Op{store.Put(keyPartition, encode(first))})
	for i := range w.o.Producers + w.o.Bankers + w.o.BankersByID + w.o.BankersPerAppend {
		c := &client{w: w, node: 1 + w.o.Brokers + i, pid: protocol.ProducerID(1000 + i), banker: i >= w.o.Producers}
		c.view.waitFor = protocol.None
		for a := range c.view.balance {
			c.view.balance[a] = startBalance
		}
		if i >= w.o.Producers+w.o.Bankers && i < w.o.Producers+w.o.Bankers+w.o.BankersByID {
			c.pid = protocol.NoProducer
		}
		c.perAppend = i >= w.o.Producers+w.o.Bankers+w.o.BankersByID
		w.clients = append(w.clients, c)
	}
	return w
}

func (w *World) run() {
	for _, b := range w.brokers {
		w.after(w.rng.Int64N(30*ms), b.start)
	}
	for _, c := range w.clients {
		w.after(w.rng.Int64N(50*ms), c.run)
		w.after(w.rng.Int64N(50*ms), c.poll)
	}
	w.after(w.rng.Int64N(300*ms), w.injectFaults)
	w.after(matchEvery, w.match)
	if w.o.LeadershipMoves {
		w.moveLeadership(1 << 30)
	}
	w.until(w.o.Micros, nil)
	w.heal()
	w.until(w.now+healMicros, nil)
	w.closing = true
	if !w.until(w.now+restMax, w.atRest) && w.failure == nil {
		w.fail("liveness", "not at rest: %s", w.whyNotAtRest())
	}
	if w.failure == nil {
		w.checker.check()
	}
}

// until runs to a time, or until done says so; it looks from time to time.
func (w *World) until(at int64, done func() bool) bool {
	for look := w.now; w.failure == nil && w.step(at); {
		if w.serial > eventsLimit {
			w.fail("liveness", "no end of events")
		}
		if done != nil && w.now-look > 20*ms {
			if look = w.now; done() {
				return true
			}
		}
	}
	w.now = max(w.now, min(at, w.now+1))
	return false
}

func (w *World) match() {
	w.after(matchEvery, w.match)
	w.store.Expire()
	w.checker.checkMatching()
	if w.healed {
		w.repair()
	}
}

// heal ends all faults and starts what is down.
func (w *World) heal() {
	w.healed = true
	w.net.heal()
	w.storeDown, w.preferred = false, false
	for _, b := range w.brokers {
		b.slowDisk = false
		b.resume()
		b.start()
	}
	w.repair()
}

// repair is the operator: what has failed or was shut down is started again.
func (w *World) repair() {
	for _, b := range w.brokers {
		if b.core() != nil && b.core().Role() == replica.RoleOffline {
			b.crash()
		}
		if now, _ := partitionNow(w.store); b.disk.replacement && len(now.ISR) == 1 && now.ISR[0].ID == b.id {
			b.crash()
			if int64(now.ISR[0].BrokerEpoch) > b.disk.replacedAt {
				b.disk.replacement = false // it had come into sync and did not see it
			} else {
				w.putBack(b)
			}
		}
		b.start()
	}
}

// atRest: everybody is in sync, everything is committed, answered and read.
func (w *World) atRest() bool { return w.whyNotAtRest() == "" }

func (w *World) whyNotAtRest() string {
	now, _ := partitionNow(w.store)
	if len(now.ISR) != len(w.brokers) || now.Leader == protocol.NoBroker {
		return fmt.Sprintf("leader %d, ISR %v of %d", now.Leader, now.ISR, len(w.brokers))
	}
	end := w.brokers[now.Leader-1].disk.End()
	for _, b := range w.brokers {
		if b.core() == nil || b.core().HighWatermark() != end || b.disk.End() != end {
			return fmt.Sprintf("broker %d does not have all up to %d", b.id, end)
		}
	}
	for i, c := range w.clients {
		if c.pending != nil {
			return fmt.Sprintf("client %d waits for op %d", i, c.pending.ops[0].id)
		}
		if c.view.next != end {
			return fmt.Sprintf("client %d has read up to %d of %d", i, c.view.next, end)
		}
	}
	return ""
}

// strikes reports whether the power of a broker goes just now.
func (w *World) powerFails() bool { return !w.healed && w.chance(w.o.PowerCuts) }

func (w *World) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

func (w *World) mark(happened bool, name string) {
	if happened {
		w.marks[name]++
	}
}

func (w *World) fail(invariant, format string, args ...any) {
	if w.failure == nil {
		w.failure = &Failure{Invariant: invariant, AtMs: w.now / ms, Text: fmt.Sprintf(format, args...)}
	}
}

// trace is behind a test of w.logf where it would cost something.
func (w *World) trace(format string, args ...any) {
	if w.logf != nil {
		w.logf("%8.3f "+format, append([]any{float64(w.now) / ms}, args...)...)
	}
}

// guessLeader is what the metadata of any broker says, right or not.
func (w *World) guessLeader() int {
	if leader := w.randomBroker().session.image.partition.Leader; leader > 0 {
		return int(leader) - 1
	}
	return w.rng.IntN(len(w.brokers))
}
