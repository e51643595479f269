package segment

import (
	"context"
	"errors"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Compaction is one pass over the log's sealed segments that leaves out records
// whose key was written again later, as Kafka's log cleaner does. The active
// segment is never touched, and offsets never change.
//
//	Log.Compact ─► Next ─► Log.Adopt ─► Next ─► Log.Adopt ─► … ─► Close
//	   owner       any       owner       any       owner           any
//
// Compact only plans. The first Next surveys the log: it reads what no pass has
// read yet and notes the newest offset of each key; if there are more keys than
// the map has room for, the pass goes no further than the map. Each Next then
// rewrites one group of neighbouring segments into a file of the next edition.
// Adopt swaps it in by writing the manifest; only then are the old files
// removed, so that a crash leaves the old segments or the new one. Readers who
// have an old file open go on reading it.
//
// A record that was superseded stays nonetheless
//
//   - if it is the newest that marks one of its locks. So a fold over what is
//     left, from its very start, finds last(L) of every lock as it was, and no
//     replica depends on what it had folded before;
//   - if it has a lock-id that is still remembered, or shares it with a record
//     that stays: an append keeps its content or goes as a whole;
//   - if its batch is one of the newest five of a living idempotent producer
//     and holds verdicts, which a retry reads from it. Any other batch of those
//     five stays without records: it holds sequences;
//   - if it is the newest data record: last(*) is its offset.
//
// What was aborted goes, but for the sequences among it; a marker goes when nothing
// is left of its transaction, after a delete horizon, see filterMarker.
//
// Segments in which such records lie are marked as held, and the next survey
// begins with the first of them, if the map has room for so much: what holds a
// record back may be gone by then.
//
// A tombstone goes when its batch's delete horizon has passed (KIP-534) and
// nothing older of its key is left, of which the reasons above may be the cause:
// no value comes back that was deleted.
//
// One goroutine at a time uses a Compaction. A log has one at a time.
type Compaction struct {
	log *Log
	o   CompactOptions

	snap  snapshot // a copy
	cfg   Config
	bound int // segments of snap before this one are looked at
	next  int // the first one that is not rewritten yet

	from    protocol.Offset // the survey notes keys from here on
	keys    *offsetMap
	recent  sequences
	aborted abortedBatches
	newest  protocol.Offset // base of the newest data batch below o.Below
	until   protocol.Offset // the survey went up to here; what lies behind stays
	judge   judge
	made    *rewriting // by Next, for Adopt
	stats   CompactStats
}

// CompactOptions say how far a pass may go and what it must leave.
type CompactOptions struct {
	// Below is the last stable offset: what is not below it may be cut off again, or
	// be aborted, so it supersedes nothing.
	Below protocol.Offset
	// Aborted are the aborted transactions, by their markers.
	Aborted []Aborted
	NowMs   int64
	// MinLagMs is min.compaction.lag.ms: younger segments are left alone.
	MinLagMs int64
	// DeleteRetentionMs is delete.retention.ms: how long a tombstone stays
	// after the pass that finds it first.
	DeleteRetentionMs int64
	// LockIDRetentionMs is lock.id.retention.ms. Default: for ever.
	LockIDRetentionMs protocol.Limit
	// MapBytes bounds the map of keys, 19 bytes a key. Default 128 MiB.
	MapBytes int64
	// Producers are the idempotent producers that are remembered.
	Producers map[protocol.ProducerID]struct{}
	// Limits bound a batch that is opened.
	Limits record.Limits
	// Pace is told of bytes that were read or written, at most 256 KiB at a time,
	// and may wait; its error ends the pass. nil: never waits.
	Pace func(ctx context.Context, bytes int) error
}

const (
	defaultMapBytes = 128 << 20
	mapBytesMin     = 16 * slotBytes
)

func (o CompactOptions) withDefaults() CompactOptions {
	o.MapBytes = max(orDefault(o.MapBytes, defaultMapBytes), mapBytesMin)
	if o.Pace == nil {
		o.Pace = func(context.Context, int) error { return nil }
	}
	return o
}

// CompactStats say what a pass has done so far.
type CompactStats struct {
	Keys                    int   // distinct keys and locks in what was surveyed
	BytesRead, BytesWritten int64 // of segments rewritten
	RecordsIn, RecordsOut   int64
	SegmentsIn, SegmentsOut int
	MapBytes                int64
}

var (
	// ErrCompacting: a pass is under way already.
	ErrCompacting = errors.New("segment: a compaction is under way")
	// ErrCompactionStale: the segments that a pass has read are gone meanwhile;
	// another pass will do.
	ErrCompactionStale = errors.New("segment: the log was cut or trimmed during compaction")
)

// Compact plans a pass, or returns nil if nothing lies between what was
// compacted and what may be. The owner of the log calls it, and ends the pass
// with Close.
func (l *Log) Compact(o CompactOptions) (*Compaction, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	s := l.snap.Load()
	bound, err := l.compactable(s, o.Below, o.NowMs, o.MinLagMs)
	if err != nil || bound == 0 || s.sealed[bound-1].next <= s.compacted {
		return nil, err
	}
	if l.compacting.Swap(true) {
		return nil, ErrCompacting
	}
	return &Compaction{log: l, o: o.withDefaults(), snap: *s, cfg: l.w.cfg, bound: bound, newest: protocol.None}, nil
}

// compactable is the number of segments, from the oldest, that lie below the
// last stable offset and, as far as they were not compacted yet, are old enough.
func (l *Log) compactable(s *snapshot, below protocol.Offset, nowMs, minLagMs int64) (n int, err error) {
	for ; n < len(s.sealed) && s.sealed[n].next <= below; n++ {
		x := &s.sealed[n]
		if minLagMs <= 0 || x.next <= s.compacted {
			continue
		}
		newest, err := l.newestMs(x)
		if err != nil || nowMs-newest < minLagMs {
			return n, err
		}
	}
	return n, nil
}

// Next does the next part of the pass, beside the log's owner, and reports
// whether there is something for Adopt. ErrCompactionStale and errors of Pace
// end the pass and mean no harm; others come from the disk, or from damage.
func (c *Compaction) Next(ctx context.Context) (bool, error) {
	if c.keys == nil {
		if err := c.survey(ctx); err != nil {
			return false, err
		}
	}
	group := c.group()
	if len(group) == 0 {
		return false, nil
	}
	r, err := c.rewrite(ctx, group)
	if err != nil {
		return false, err
	}
	c.made, c.next = r, c.next+len(group)
	return true, nil
}

// group is the next segments that fit one file.
func (c *Compaction) group() []extent {
	all := c.snap.sealed[c.next:c.bound]
	n, size := 0, int64(0)
	for n < len(all) && all[n].base < c.until && (n == 0 || size+all[n].size <= c.cfg.SegmentBytes) {
		size += all[n].size
		n++
	}
	return all[:n]
}

// Stats says what was done so far.
func (c *Compaction) Stats() CompactStats { return c.stats }

// Close ends the pass, be it done or not, gives its memory back, and removes
// what was not adopted.
func (c *Compaction) Close() error {
	defer c.log.compacting.Store(false)
	if c.keys != nil {
		c.keys.release()
	}
	if c.made == nil {
		return nil
	}
	return c.made.discard()
}

// Debt is how much of a log waits for compaction.
type Debt struct {
	CleanBytes, DirtyBytes int64 // of segments that a pass has been over, and of those that one could
	OldestMs               int64 // time of the oldest record that no pass has seen; -1: unknown, or none
}

// Ratio is the share that min.cleanable.dirty.ratio speaks of.
func (d Debt) Ratio() float64 {
	if d.DirtyBytes == 0 {
		return 0
	}
	return float64(d.DirtyBytes) / float64(d.CleanBytes+d.DirtyBytes)
}

// Debt may be asked by any goroutine; the arguments are as in CompactOptions.
func (l *Log) Debt(nowMs int64, below protocol.Offset, minLagMs int64) (Debt, error) {
	s := l.snap.Load()
	d := Debt{OldestMs: -1}
	n, err := l.compactable(s, below, nowMs, minLagMs)
	for i := range s.sealed[:n] {
		if x := &s.sealed[i]; x.next <= s.compacted {
			d.CleanBytes += x.size
		} else {
			d.DirtyBytes += x.size
		}
	}
	if err == nil && d.DirtyBytes > 0 {
		d.OldestMs, err = l.oldestMs(s)
	}
	if err != nil && l.changed(s) {
		return Debt{OldestMs: -1}, nil
	}
	return d, err
}

// oldestMs is the max timestamp of the first batch that no pass has seen.
func (l *Log) oldestMs(s *snapshot) (int64, error) {
	at, err := l.locate(s, s.extent(s.find(s.compacted)), s.compacted)
	if err != nil || at.head.size == 0 {
		return -1, err
	}
	return at.head.maxTime, nil
}

// stale tells an error that the log's own changes explain from a real one.
func (c *Compaction) stale(err error) error {
	if err != nil && c.log.changed(&c.snap) {
		return ErrCompactionStale
	}
	return err
}
