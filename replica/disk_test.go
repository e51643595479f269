package replica

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// failing lets a test fail the operations of one kind, from a moment on.
type failing struct {
	kind errorfs.OpKind
	on   *bool
}

func (f failing) String() string { return "failing" }

func (f failing) MaybeError(op errorfs.Op) error {
	if *f.on && op.Kind == f.kind {
		return errorfs.ErrInjected
	}
	return nil
}

// TestAFailedWriteOrSyncIsFinal: no batch is acknowledged after it, not even when
// the disk seems to work again; and a restart on what the disk kept serves every
// batch that was acknowledged and none that was refused after it.
func TestAFailedWriteOrSyncIsFinal(t *testing.T) {
	for name, kind := range map[string]errorfs.OpKind{"sync": errorfs.OpFileSyncData, "write": errorfs.OpFileWriteAt} {
		t.Run(name, func(t *testing.T) {
			mem, on := vfs.NewCrashableMem(), new(bool)
			b := open(t, errorfs.Wrap(mem, failing{kind, on}))
			for i := range 5 {
				r, refusal := b.propose(with(t, plain(), fmt.Sprintf("v%d", i)))
				want(t, "before", r, refusal, i)
			}
			*on = true
			r, _ := b.propose(with(t, plain(), "lost; lock-append=x"))
			if !errors.Is(r.Err, ErrStorage) {
				t.Fatalf("a batch that is not on disk was answered with %+v", r)
			}
			*on = false
			r, _ = b.propose(with(t, plain(), "late"))
			if !errors.Is(r.Err, ErrStorage) || !b.Failed() {
				t.Fatalf("the partition went on after a failed %s: %+v", name, r)
			}
			if hw := b.HighWatermark(); hw != 5 {
				t.Fatalf("the high watermark is %d", hw)
			}
			b.abandon()
			b = open(t, mem.CrashClone(vfs.CrashCloneCfg{}))
			if end := b.End(); end != 5 {
				t.Fatalf("after a restart the log ends at %d", end)
			}
			r, refusal := b.propose(with(t, plain(), "again; lock-write=x; lock-basis=none"))
			want(t, "the lock of the lost batch", r, refusal, 5)
		})
	}
}

// TestWhatIsBelowTheHighWatermarkIsOnDisk, batches without a record among it: a
// repeat by lock-id of an idempotent producer writes one to hold its sequence,
// and the producer counts on it after a power cut.
func TestWhatIsBelowTheHighWatermarkIsOnDisk(t *testing.T) {
	mem := vfs.NewCrashableMem()
	b := open(t, mem)
	r, refusal := b.propose(with(t, plain(), "v; lock-id=once"))
	want(t, "first", r, refusal, 0)
	r, refusal = b.propose(with(t, idempotent(0), "v; lock-id=once"))
	want(t, "repeat", r, refusal, 0)
	hw := b.HighWatermark()
	b = open(t, mem.CrashClone(vfs.CrashCloneCfg{}))
	if end := b.End(); end != hw {
		t.Fatalf("the high watermark was %d, and %d is on disk", hw, end)
	}
	r, refusal = b.propose(with(t, idempotent(1), "w"))
	want(t, "the producer goes on", r, refusal, 2)
}

// TestNoCheckpointIsAheadOfTheDisk: with flush.messages relaxed the log may lose
// its tail, and a checkpoint of that tail would speak of what another producer
// wrote there since.
func TestNoCheckpointIsAheadOfTheDisk(t *testing.T) {
	mem := vfs.NewCrashableMem()
	b := open(t, mem)
	relaxed := settings()
	relaxed.FlushMessages = 1 << 40
	b.SetSettings(relaxed)
	for i := range 3 {
		r, refusal := b.propose(with(t, idempotent(protocol.Sequence(i)), fmt.Sprintf("v%d; lock-append=x", i)))
		want(t, "unsynced", r, refusal, i)
	}
	c := &Call{}
	if b.call(Checkpoint{c}, c); c.Err != nil {
		t.Fatal(c.Err)
	}
	b = open(t, mem.CrashClone(vfs.CrashCloneCfg{}))
	if end := b.End(); end != 3 {
		t.Fatalf("checkpoints were made at 3, and the log on disk ends at %d", end)
	}
}

// TestWithoutAFileDescriptorWritersWait: an open that fails is no write that
// failed. What is proposed meanwhile is written, once and in order, as soon as
// a file can be opened again; what has waited for too long is told so.
func TestWithoutAFileDescriptorWritersWait(t *testing.T) {
	var starved atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		opens := op.Kind == errorfs.OpOpen || op.Kind == errorfs.OpOpenDir || op.Kind == errorfs.OpCreate
		if opens && starved.Load() && strings.HasPrefix(op.Path, "p") {
			return fmt.Errorf("open %s: %w", op.Path, syscall.EMFILE)
		}
		return nil
	}))
	b := open(t, fs)
	starved.Store(true)
	var waiting []completer
	for i := range 5 {
		c := completer{make(chan Result, 1)}
		q := &Proposal{Batch: with(t, idempotent(protocol.Sequence(i)), "v"), Acks: AcksAll, Done: c}
		propose := b.Propose
		if i%2 == 1 {
			propose = b.ProposeHere
		}
		propose(q)
		waiting = append(waiting, c)
	}
	late := completer{make(chan Result, 1)}
	b.Propose(&Proposal{Batch: with(t, plain(), "late"), Acks: AcksAll, Done: late, TimeoutMs: 1})
	if r := b.tickUntil(late); !errors.Is(r.Err, ErrTimeout) {
		t.Fatalf("what waited for too long: %+v", r)
	}
	if !b.WriteStalled() || b.Failed() || b.End() != 0 {
		t.Fatalf("starving %v, failed %v, the log ends at %d", b.WriteStalled(), b.Failed(), b.End())
	}
	if err := b.Housekeep(); err != nil {
		t.Errorf("housekeeping meanwhile: %v", err)
	}
	starved.Store(false)
	for i, c := range waiting {
		want(t, "what waited", b.tickUntil(c), nil, i)
	}
	r, refusal := b.propose(with(t, plain(), "after"))
	want(t, "what came afterwards", r, refusal, 5)
	if b.WriteStalled() || b.Failed() {
		t.Fatalf("afterwards: starving %v, failed %v", b.WriteStalled(), b.Failed())
	}
}

// tickUntil lets time pass, as the broker does, until there is an answer. One tick
// would not do: it may come while the loop still tries what the last one let it try.
func (b *bench) tickUntil(c completer) Result {
	for tick := time.NewTicker(5 * time.Millisecond); ; b.Tick() {
		select {
		case r := <-c.done:
			tick.Stop()
			return r
		case <-tick.C:
		}
	}
}
