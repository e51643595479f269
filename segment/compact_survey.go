package segment

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// survey reads what a pass must know before it leaves anything out: the newest
// offset of each key in what no pass has seen, which batches hold sequences,
// which one holds the newest data record, and the tombstones that may go.
// Elsewhere than in the first it looks at headers alone.
func (c *Compaction) survey(ctx context.Context) error {
	if c.from = c.snap.firstHeld(c.bound); c.from < c.snap.compacted {
		if err := c.surveyFrom(ctx); err != nil || c.until > c.snap.compacted {
			return err
		}
		c.keys.release() // there is no room for what was held back
	}
	c.from = c.snap.compacted
	return c.surveyFrom(ctx)
}

// firstHeld is where a survey begins that takes in what was held back.
func (s *snapshot) firstHeld(bound int) protocol.Offset {
	for i := range s.sealed[:bound] {
		if x := &s.sealed[i]; x.held {
			return min(x.base, s.compacted)
		}
	}
	return s.compacted
}

func (c *Compaction) surveyFrom(ctx context.Context) error {
	s := &c.snap
	end := s.sealed[c.bound-1].next
	entries := 2 * int64(end-c.from) // a record may have a lock besides its key
	keys, err := newOffsetMap(entries, c.o.MapBytes, c.from)
	if err != nil {
		return err
	}
	c.keys, c.recent, c.newest, c.until = keys, newSequences(c.o.Producers), protocol.None, end
	c.aborted = newAbortedBatches(c.o.Aborted)
	c.judge = judge{c: c}
	c.stats.MapBytes = int64(len(keys.slots)) * slotBytes
	for i := range len(s.sealed) + 1 {
		x := s.extent(i)
		if x.base >= c.o.Below || i >= c.bound && len(c.recent) == 0 && c.newest >= end {
			break
		}
		if x.size == 0 {
			continue
		}
		if err := c.stale(c.surveySegment(ctx, x, i < c.bound)); err != nil {
			return err
		}
	}
	c.stats.Keys = keys.n
	return nil
}

func (c *Compaction) surveySegment(ctx context.Context, x *extent, rewritten bool) error {
	f, err := c.log.files.acquire(c.log.logPath(x.segment))
	if err != nil {
		return err
	}
	defer c.log.files.release(f)
	// Of what an earlier pass has cleaned only headers are read.
	dirty := rewritten && x.next > c.from
	scan := headers{
		window: newWindow(f, x.size, c.buffersFor(dirty)), path: f.path, next: x.base,
		sparse: x.sparse, epochs: c.snap.epochs,
	}
	defer scan.release()
	paced := pacer{c: c}
	for {
		h, err := scan.peek(x.next)
		// What is not committed supersedes nothing yet.
		if err == io.EOF || err == nil && h.last >= c.o.Below {
			return paced.flush(ctx)
		}
		if err == nil {
			err = c.surveyBatch(&scan, h, rewritten)
		}
		if err == nil {
			err = paced.addBytes(ctx, int(min(h.size, int64(scan.room))))
		}
		if err != nil {
			return err
		}
		scan.skip(h)
	}
}

// buffersFor are large where all is read and small where most may be skipped.
func (c *Compaction) buffersFor(all bool) *sync.Pool {
	if all {
		return passBuffers
	}
	return lookBuffers
}

// Where a batch's header keeps what a survey looks at.
const (
	batchAttributes = 21
	batchBaseTime   = 27
	batchProducer   = 43
	batchEpoch      = 51
	batchSequence   = 53
	batchCount      = 57

	attributeControl       = 1 << 5
	attributeTransactional = 1 << 4
	attributeHorizon       = 1 << 6
)

func (c *Compaction) surveyBatch(scan *headers, h header, rewritten bool) error {
	b, err := scan.at(scan.pos, record.HeaderSize)
	if err != nil {
		return err
	}
	attributes := binary.BigEndian.Uint16(b[batchAttributes:])
	id := protocol.ProducerID(getInt64(b[batchProducer:]))
	epoch := protocol.ProducerEpoch(binary.BigEndian.Uint16(b[batchEpoch:]))
	// Markers of transactions have neither keys that anyone asks for nor sequences.
	if attributes&attributeControl != 0 {
		c.recent.observeMarker(id, epoch, h.base)
		return nil
	}
	if int32(binary.BigEndian.Uint32(b[batchSequence:])) >= 0 {
		c.recent.observe(id, epoch, h.base)
	}
	if attributes&attributeTransactional != 0 && c.aborted.has(id, h.base) {
		return nil
	}
	if binary.BigEndian.Uint32(b[batchCount:]) > 0 {
		c.newest = h.base
	}
	switch {
	case !rewritten:
		return nil
	case h.last >= c.from && h.base < c.until:
		return c.openAt(scan, h, c.putKeys)
	case attributes&attributeHorizon != 0 && getInt64(b[batchBaseTime:]) <= c.o.NowMs:
		return c.openAt(scan, h, c.putTombstones)
	}
	return nil
}

// openAt gives the records of the batch at hand to fn.
func (c *Compaction) openAt(scan *headers, h header, fn func(record.Batch, *record.Records)) error {
	raw, err := scan.at(scan.pos, h.size)
	if err != nil {
		return err
	}
	b, _, err := record.View(raw)
	if err != nil {
		return corrupt(scan.path, scan.pos, scan.next, "%v", err)
	}
	recs, err := b.Open(c.o.Limits)
	if err != nil {
		return unopened(b, err)
	}
	defer recs.Release()
	fn(b, &recs)
	return nil
}

// unopened says which batch cannot be opened. Its checksum was right, so that
// is how it was sent.
func unopened(b record.Batch, err error) error {
	return fmt.Errorf("segment: compact the batch at offset %d: %w", b.BaseOffset(), err)
}

// putKeys notes keys and marks. The first record for which there is no room
// ends what the pass may decide on; that parts of it are noted does no harm,
// since it stays.
func (c *Compaction) putKeys(b record.Batch, recs *record.Records) {
	var locks protocol.LockRequest
	w := recs.Walk()
	for w.Next() {
		o := b.BaseOffset() + protocol.Offset(w.OffsetDelta)
		if o < c.from {
			continue
		}
		fits := w.Key == nil || c.keys.put(hashKey(w.Key), o)
		if recs.HaveLocks() && readLocks(&locks, &w, b.Carried()) {
			for i := range locks.Items {
				if marks(&locks.Items[i]) {
					fits = fits && c.keys.put(hashLock(locks.Items[i].Name), o)
				}
			}
		}
		if !fits {
			c.until = o
			return
		}
	}
}

// tombstonesShare is the part of the map that keys of old tombstones may take.
const tombstonesShare = 4

// putTombstones notes the keys of tombstones whose time has come. One that is
// not noted stays for now.
func (c *Compaction) putTombstones(b record.Batch, recs *record.Records) {
	w := recs.Walk()
	for w.Next() {
		if w.Value == nil && w.Key != nil && c.keys.n < c.keys.full/tombstonesShare {
			c.keys.put(hashKey(w.Key), b.BaseOffset()+protocol.Offset(w.OffsetDelta))
		}
	}
}

// readLocks reads a record's lock headers. False: it has none, or none that
// mean anything, since they break the grammar. Of a record that was carried each
// header means something by itself.
func readLocks(q *protocol.LockRequest, w *record.Walker, carried bool) bool {
	q.Reset()
	if w.HeaderCount == 0 {
		return false
	}
	for h := w.Headers(); ; {
		key, value, ok := h.Next()
		if !ok {
			break
		}
		if carried {
			q.Carried(key, value)
		} else if q.Header(key, value) != nil {
			return false
		}
	}
	if carried {
		return len(q.Items) > 0 || q.ID != nil
	}
	return q.Finish() == nil && !q.Empty()
}

// marks reports whether last(L) of the item's lock becomes its record's offset.
func marks(item *protocol.LockItem) bool { return item.Kind.Marks() && !item.All }

// pacer gathers bytes for Pace.
type pacer struct {
	c *Compaction
	n int
}

// paceBytes is how much is done between two calls of Pace, and told in one.
const paceBytes = 256 << 10

func (p *pacer) addBytes(ctx context.Context, n int) error {
	if p.n += n; p.n < paceBytes {
		return nil
	}
	return p.flush(ctx)
}

func (p *pacer) flush(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(p.n, paceBytes)
		if err := p.c.o.Pace(ctx, n); err != nil {
			return err
		}
		if p.n -= n; p.n == 0 {
			return nil
		}
	}
}
