package sim

import (
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// broker is the driver around one replica: what the partition's loop and the
// connections do in a real one.
type broker struct {
	w      *World
	id     protocol.BrokerID
	disk   *disk
	laidBy *disk // what was replaced

	up, paused bool
	life       int      // counts starts; timers of an earlier one mean nothing
	late       []func() // what came while it was paused
	skew       int64    // of its clock, in microseconds
	slowDisk   bool

	// Of this process; a crash loses it.
	session session
	core    *replica.Core // nil until it is registered
	folds   folds
	waiting []waiting // for the high watermark
	unsure  []waiting // for a proof that this broker still leads
	parked  []parked
	inbox   []record.Batch
	syncing bool
	cuts    int // truncations: a sync that began before one says nothing after it
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
	askTimeout     = 200 * ms
	leaseTTL       = 400 * ms
	batchesPerRead = 4

	lagMaxMs       = 300
	fetchTimeoutMs = 150
	retryMs        = 30
)

func (b *broker) nowMs() int64 { return (b.w.now + b.skew) / ms }

// after sets a timer that ends with this life of the broker and waits while it is paused.
func (b *broker) after(micros int64, do func()) {
	life := b.life
	b.w.after(micros, func() {
		run := func() {
			if b.life == life {
				do()
			}
		}
		if b.paused {
			b.late = append(b.late, run)
			return
		}
		run()
	})
}

// start boots the broker on what its disk has.
func (b *broker) start() {
	if b.up {
		return
	}
	if !intact(b.disk.batches) && !b.w.bugs.IgnoreCRC {
		b.w.replaceDisk(b)
	}
	b.up, b.paused, b.late = true, false, nil
	b.w.trace("%d: starts with a log up to %d", b.id, b.disk.End())
	b.life++
	b.session = session{image: newImage()}
	b.core, b.waiting, b.unsure, b.parked, b.syncing = nil, nil, nil, nil, false
	b.folds = newFolds()
	b.folds.refold(b.disk, b.disk.End())
	b.register()
	b.watch()
	b.tick()
}

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
}

func (b *broker) stop() {
	b.up, b.paused, b.late = false, false, nil
	b.life++
	b.core = nil
}

func (b *broker) pause() { b.paused = b.up }

func (b *broker) resume() {
	if !b.paused {
		return
	}
	b.paused = false
	late := b.late
	b.late = nil
	for _, do := range late {
		b.w.reach(int(b.id), do)
	}
}

func (b *broker) tick() {
	b.after(tickEvery+b.w.rng.Int64N(tickEvery/2), b.tick)
	b.keepSession()
	b.control()
	if b.core != nil {
		b.core.Tick(b.nowMs())
		b.work()
	}
}

// begin makes the core of a new incarnation. What the process held so far is
// synced first, so that nothing is lost between the two.
func (b *broker) begin() {
	hw := protocol.Offset(0)
	if b.core != nil {
		hw = b.core.HighWatermark()
	}
	b.abort()
	b.parked = nil
	b.disk.synced, b.disk.clean = len(b.disk.batches), 0
	b.syncing = false
	b.cuts++
	minInsync := b.w.o.MinInsync
	if b.w.bugs.AckBelowMinInsync {
		minInsync = 1
	}
	b.core = replica.NewCore(replica.CoreOptions{
		Self: replica.Member{ID: b.id, Incarnation: b.session.incarnation}, Log: b.disk, HighWatermark: hw,
		MinInsync: minInsync, LagMaxMs: lagMaxMs, FetchTimeoutMs: fetchTimeoutMs, RetryMs: retryMs,
	})
	b.stand()
}

// work does what the core asks for, in order.
func (b *broker) work() {
	for b.core != nil {
		e, ok := b.core.NextEffect()
		if !ok {
			return
		}
		b.do(e)
	}
}

func (b *broker) do(e replica.CoreEffect) {
	if b.w.tell != nil {
		b.w.trace("%d: %s", b.id, describe(b, e))
	}
	switch e.Kind {
	case replica.CoreRole:
		b.changeRole()
	case replica.CoreCommit:
		b.advanced()
	case replica.CoreConfirm:
		b.confirmed(e.Round)
	case replica.CoreFetch:
		b.sendFetch(e.Fetch)
	case replica.CoreAppend:
		b.appendFetched()
	case replica.CoreTruncate, replica.CoreRestart:
		b.truncate(e.Offset)
		b.core.Truncated(b.nowMs())
	case replica.CoreAlterISR:
		b.alterISR(e.ISR)
	case replica.CoreResign:
		b.resign()
	}
}

func describe(b *broker, e replica.CoreEffect) string {
	switch e.Kind {
	case replica.CoreRole:
		return fmt.Sprintf("%v in epoch %d, log end %d, high watermark %d", b.core.Role(), b.core.Epoch(), b.disk.End(), b.core.HighWatermark())
	case replica.CoreCommit:
		return fmt.Sprintf("commits up to %d; synced %d, ISR %v, followers %v", e.Offset, b.core.SyncedEnd(), b.core.Standing().ISR, b.core.Followers())
	case replica.CoreFetch:
		return fmt.Sprintf("fetches %+v", e.Fetch)
	case replica.CoreAlterISR:
		return fmt.Sprintf("asks for ISR %+v", e.ISR)
	case replica.CoreTruncate:
		return fmt.Sprintf("truncates to %d", e.Offset)
	case replica.CoreAppend:
		return fmt.Sprintf("appends %d batches at %d", len(b.inbox), b.disk.End())
	}
	return fmt.Sprintf("effect %d", e.Kind)
}

func (b *broker) changeRole() {
	if b.core.Role() == replica.RoleLeader {
		if b.w.bugs.ProducersNotRebuilt {
			b.folds.producers = replica.NewProducers()
		}
		if b.w.bugs.TableToWatermark {
			b.folds.refoldLocks(b.disk, b.core.HighWatermark())
		}
		b.w.ledger.elected(b)
		return
	}
	b.w.mark(len(b.waiting) > 0, "leader deposed with answers waiting")
	b.abort()
	if err := b.core.Err(); errors.Is(err, replica.ErrCommittedLost) {
		b.w.fail("I13", "broker %d: %v", b.id, err)
	}
	if b.w.bugs.TruncateToWatermark && b.core.Role() == replica.RoleFollower {
		b.truncate(b.core.HighWatermark())
		b.core.Truncated(b.nowMs())
	}
	for _, p := range b.parked {
		p.reply(b.core.Answer(p.f), nil)
	}
	b.parked = nil
}

// syncSoon has what was written synced, all of it as one.
func (b *broker) syncSoon() {
	if b.w.bugs.AckBeforeSync {
		b.core.Synced(b.disk.End(), b.nowMs())
	}
	if b.syncing || b.disk.synced == len(b.disk.batches) {
		return
	}
	b.syncing = true
	cuts, upTo := b.cuts, len(b.disk.batches)
	delay := 100 + b.w.rng.Int64N(b.w.o.SyncMax)
	if b.slowDisk {
		delay += b.w.rng.Int64N(200 * ms)
	}
	b.after(delay, func() {
		if b.core == nil || b.cuts != cuts {
			return
		}
		b.syncing = false
		b.disk.synced = max(b.disk.synced, upTo)
		b.core.Synced(b.disk.syncedEnd(), b.nowMs())
		b.work()
		b.syncSoon()
	})
}

func (b *broker) truncate(to protocol.Offset) {
	if to < b.disk.End() {
		b.w.mark(true, "truncated")
		b.w.mark(b.folds.cutAt == b.disk.End(), "truncated twice in a row")
	}
	b.disk.truncate(to)
	b.folds.cutAt = b.disk.End()
	b.cuts++
	b.syncing = false
	b.folds.refold(b.disk, b.disk.End())
	if !intact(b.disk.batches) {
		b.broken() // a Partition reads its log for this, and finds it
	}
}

// broken is a batch that does not read as it was written.
func (b *broker) broken() {
	b.w.mark(true, "corrupt batch found")
	b.core.Failed(errors.New("a batch is damaged"), b.nowMs())
	b.work()
}
