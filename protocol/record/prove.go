package record

import (
	"math"

	"github.com/lockstep-log/lockstep/protocol"
)

// Proof is the walk that proves records: after its End they are Records, whose
// walks cannot fail. Whoever reads headers anyway may take this walk himself
// and prove them on the way:
//
//	p, err := batch.Prove(limits)
//	for p.Next() {
//		if !read(p.Headers()) { // or p.HeadersFit()
//			p.Misfit()
//		}
//	}
//	records, err := p.End()
//
// Until then nothing that it yields may be believed. A value with one owner.
type Proof struct {
	Walker
	records         Records
	lastOffsetDelta int32 // of the batch
	lastDelta       int32 // of the record before
	least, greatest int64 // timestamp deltas so far
	err             error
}

// Prove undoes the compression, as Open does, and begins the walk.
func (b Batch) Prove(lim Limits) (Proof, error) {
	lim = lim.withDefaults()
	if int(b.Count()) > lim.RecordsMax {
		return Proof{}, refuse(TooLarge, "%d records, over the limit of %d", b.Count(), lim.RecordsMax)
	}
	r := Records{payload: b.payload(), count: b.Count()}
	if codec := b.Codec(); codec != CodecNone && r.count > 0 {
		pooled, err := decompress(codec, r.payload, lim.DecompressedBytesMax)
		if err != nil {
			return Proof{}, err
		}
		r.payload, r.pooled = pooled.b, pooled
	}
	return Proof{
		Walker: r.Walk(), records: r, lastOffsetDelta: b.LastOffsetDelta(), lastDelta: -1,
		least: math.MaxInt64, greatest: math.MinInt64,
	}, nil
}

// Next steps to the next record, and reports whether there is one that fits.
func (p *Proof) Next() bool {
	if p.err != nil || !p.Walker.Next() {
		return false
	}
	if p.OffsetDelta <= p.lastDelta || p.OffsetDelta > p.lastOffsetDelta {
		p.err = refuse(Invalid, "record %d of %d: offset delta %d after %d in a batch that ends with %d",
			p.Index, p.records.count, p.OffsetDelta, p.lastDelta, p.lastOffsetDelta)
		return false
	}
	p.lastDelta = p.OffsetDelta
	p.least, p.greatest = min(p.least, p.TimestampDelta), max(p.greatest, p.TimestampDelta)
	return true
}

// HeadersFit proves the current record's headers: there are as many as it says,
// and nothing is behind them. It notes on the way whether one is a lock header.
func (p *Proof) HeadersFit() bool {
	locks, fit := p.ProveHeaders()
	p.records.locks = p.records.locks || locks
	return fit
}

// Misfit says that the current record's headers do not fit. It ends the walk.
func (p *Proof) Misfit() {
	p.err = refuse(Invalid, "record %d of %d: its %d headers do not fit its length",
		p.Index, p.records.count, p.HeaderCount)
}

// HasLocks notes that a record has a lock header, for Records.HaveLocks.
func (p *Proof) HasLocks() { p.records.locks = true }

// End is the records, if they are proven: when Next has said that there are no
// more. Otherwise it is an error, and what was unpacked is released.
func (p *Proof) End() (Records, error) {
	r := p.records
	if err := p.failure(); err != nil {
		r.Release()
		return Records{}, err
	}
	if r.count > 0 {
		r.minTimestampDelta, r.maxTimestampDelta = p.least, p.greatest
	}
	return r, nil
}

func (p *Proof) failure() error {
	switch {
	case p.err != nil:
		return p.err
	case p.broken:
		return refuse(Invalid, "the record at byte %d, of %d in all, does not fit its lengths", p.at, p.records.count)
	case p.left > 0:
		return refuse(Invalid, "%d records were not looked at", p.left)
	case p.at < len(p.payload):
		return refuse(Invalid, "%d bytes behind the last of %d records", len(p.payload)-p.at, p.records.count)
	}
	return nil
}

// ProveHeaders checks that there are as many headers as the record says, and
// nothing behind them. It says whether one is a lock header.
func (w *Walker) ProveHeaders() (locks, ok bool) {
	h := w.Headers()
	for range w.HeaderCount {
		key, _, ok := h.Next()
		if !ok {
			return false, false
		}
		locks = locks || len(key) >= len(lockPrefix) && string(key[:len(lockPrefix)]) == protocol.LockPrefix
	}
	return locks, len(h.rest) == 0
}
