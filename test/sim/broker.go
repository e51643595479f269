package sim

import (
	"log/slog"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// broker is one process: what a Partition and the connections do around a
// machine in a real one.
type broker struct {
	w            *World
	id           protocol.BrokerID
	disk         *disk
	replacedDisk *disk // before it was replaced

	up, paused  bool
	incarnation int      // counts starts; timers of an earlier one are ignored
	deferred    []func() // what came while it was paused
	skew        int64    // of its clock, in microseconds
	slowDisk    bool

	// Of this process; a crash loses it.
	session   session
	machine   *replica.Machine // nil while it is down
	mailbox   mailbox
	state     *replica.State // that the machine has shown
	parked    []parked
	compacted *compaction // what a pass of compaction has made, until it is adopted
	cuts      int         // truncations: a sync that began before one says nothing after it
	cutAt     protocol.Offset
	planted   *planted
}

// parked is a follower's fetch that waits for something to send.
type parked struct {
	f     replica.Fetch
	reply func(replica.FetchAnswer, []record.Batch)
}

// Times of the model, in microseconds, and of the cores, in milliseconds.
const (
	tickEvery      = 20 * ms
	parkedMax      = 60 * ms
	requestTimeout = 200 * ms
	leaseTTL       = 400 * ms
	batchesPerRead = 4

	lagMaxMs       = 300
	fetchTimeoutMs = 150
	retryMs        = 30
)

func (b *broker) nowMs() int64 { return (b.w.now + b.skew) / ms }

func (b *broker) wallMs() int64 { return 1_700_000_000_000 + b.nowMs() }

// after sets a timer that ends with this incarnation of the broker and waits while it is paused.
func (b *broker) after(micros int64, do func()) {
	incarnation := b.incarnation
	b.w.after(micros, func() {
		run := func() {
			if b.incarnation == incarnation {
				do()
			}
		}
		if b.paused {
			b.deferred = append(b.deferred, run)
			return
		}
		run()
	})
}

// core is the broker's rules of replication; nil until it is registered.
func (b *broker) core() *replica.Core {
	if b.machine == nil {
		return nil
	}
	return b.machine.Core()
}

// start boots the broker on what its disk has.
func (b *broker) start() {
	if b.up {
		return
	}
	if !intact(b.disk.batches) && !b.w.bugs.IgnoreCRC {
		b.w.replaceDisk(b)
	}
	b.up, b.paused, b.deferred = true, false, nil
	b.w.trace("%d: starts with a log up to %d", b.id, b.disk.End())
	b.incarnation++
	b.session = session{image: newImage()}
	if !b.open() {
		return
	}
	b.register()
	b.watch()
	b.tick()
	b.housekeep()
}

// open makes the machine of what is on the disk.
func (b *broker) open() bool {
	b.mailbox, b.parked, b.state, b.cutAt, b.compacted = mailbox{}, nil, nil, protocol.None, nil
	b.planted = plant(b)
	m, err := replica.NewMachine(b.options())
	if err != nil {
		b.up = false
		b.w.fail("CRC", "broker %d cannot fold its log: %v", b.id, err)
		return false
	}
	b.machine = m
	return true
}

func (b *broker) options() replica.MachineOptions {
	o := replica.MachineOptions{
		Self: b.id, Log: b.disk, LagMaxMs: lagMaxMs, FetchTimeoutMs: fetchTimeoutMs, RetryMs: retryMs,
		CheckpointEvery: b.w.o.CheckpointEvery, NowMs: b.wallMs, SteadyMs: b.nowMs, Logger: quiet,
		Settings: replica.Settings{
			MinInsync: b.w.o.MinInsync, FlushMessages: 1, FlushMs: 1 << 60, ProducerMs: 1 << 60, LockIDRetention: protocol.LimitOf(1 << 60),
		},
	}
	if b.w.bugs.AckBelowMinInsync {
		o.Settings.MinInsync = 1
	}
	b.planted.wrap(&o)
	return o
}

var quiet = slog.New(slog.DiscardHandler)

// crash loses what the process and the page cache held.
func (b *broker) crash() {
	if !b.up {
		return
	}
	unsynced := len(b.disk.batches) - b.disk.synced
	keep := 0
	if unsynced > 0 {
		keep = b.w.rng.IntN(unsynced + 1)
		b.w.mark(keep < unsynced, "crash: unsynced tail lost")
		b.w.mark(keep > 0, "crash: unsynced tail kept")
	}
	b.stop()
	b.disk.crash(keep)
	b.w.trace("%d: crashes, keeps up to %d", b.id, b.disk.End())
	b.w.checker.crashed(b)
}

func (b *broker) stop() {
	b.up, b.paused, b.deferred = false, false, nil
	b.incarnation++
	b.machine = nil
}

func (b *broker) pause() { b.paused = b.up }

func (b *broker) resume() {
	if !b.paused {
		return
	}
	b.paused = false
	deferred := b.deferred
	b.deferred = nil
	for _, do := range deferred {
		b.w.deliver(int(b.id), do)
	}
}

func (b *broker) tick() {
	b.after(tickEvery+b.w.rng.Int64N(tickEvery/2), b.tick)
	b.renewLease()
	b.control()
	b.expireQueued()
	b.note(replica.Tick{})
}

// housekeep has the machine do what time asks for.
func (b *broker) housekeep() {
	b.after(b.w.o.Housekeeping/2+b.w.rng.Int64N(b.w.o.Housekeeping), b.housekeep)
	b.task(replica.Housekeep{Call: &replica.Call{}})
	b.compact()
}

// beginEpoch tells the machine of a new broker epoch.
func (b *broker) beginEpoch() {
	b.parked = nil
	b.disk.cleanShutdown = 0
	b.task(replica.Begin{BrokerEpoch: b.session.epoch})
	b.applyMetadata()
}
