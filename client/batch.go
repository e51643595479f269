package client

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// batch is appends that are sent together. They are written into it while it waits;
// then it is given its sequence and sent, in the same bytes, until it is known
// what became of it. Its writer owns it: under the writer's mu while it waits.
//
//	waiting ──► inFlight ──► settled            verdicts came
//	   ▲           ▲  ├──► retry ──┐            no answer, or one that asks to try again
//	   │           └──┼────────────┤
//	   │              ├──► outOfSequence        a batch before it is missing, to the broker
//	   └──────────────┴──► failed               it is not in the log and cannot be
//
// What goes back to wait is written anew, without what is settled: the bytes
// that were sent may still be read by a request that nobody waits for.
type batch struct {
	writer    *partitionWriter
	appends   []pending
	builder   record.Builder
	size      int      // about what its records take
	sealed    bool     // no append joins it any more
	encoded   []byte   // the builder's, sealed
	req       *produce // that sent it last
	state     state
	cause     error // of failed, and why it is sent again
	badRecord int32 // of failed: the record to blame; -1 for none

	// redirect is who leads, by the broker that was asked last.
	redirect leadership

	// maybeWritten: a request that carried it has ended without an answer that settles
	// it. That request may still be executed.
	maybeWritten bool
	// sentFirst: nothing before it was unsettled when it was last sent, so that a
	// broker that finds it out of sequence has lost the sequence.
	sentFirst bool
	// requestLost: a request that carried it has ended without an answer, and may still
	// read its memory.
	requestLost bool
}

type state uint8

const (
	waiting state = iota
	inFlight
	settled
	retry
	outOfSequence
	failed
)

// batchPool holds batches that came to their end, for their memory.
var batchPool = sync.Pool{New: func() any { return new(batch) }}

// spareBytesMax bounds the memory that one of them holds on to.
const spareBytesMax = 4 << 20

func newBatch(w *partitionWriter) *batch {
	b := batchPool.Get().(*batch)
	b.writer, b.state, b.badRecord, b.redirect = w, waiting, -1, noLeader
	b.builder.Reset(w.c.opts.codec)
	return b
}

// recycle puts a batch that is settled back into the pool.
func (b *batch) recycle() {
	if b.requestLost || b.builder.Cap() > spareBytesMax {
		return
	}
	clear(b.appends)
	appends, builder, req := b.appends[:0], b.builder, b.req
	*b = batch{appends: appends, builder: builder, req: req}
	batchPool.Put(b)
}

// accepts reports whether an append of so many bytes may join. Neighbours of one
// id would be one append.
func (b *batch) accepts(p *pending, bytes, most int) bool {
	if b.sealed || b.size+bytes > most {
		return false
	}
	return p.id == "" || b.appends[len(b.appends)-1].id != p.id
}

// appendRecords writes an append into the batch. Nothing of recs and locks is kept.
func (b *batch) appendRecords(p pending, bytes int, recs []*kgo.Record, locks []record.Header, now *clock) {
	last := len(recs) - 1
	for i, r := range recs {
		if i == last && len(r.Headers) == 0 {
			b.builder.Add(written(r, now, locks))
		} else {
			b.addWithHeaders(r, now, locks, p.id != "", i == last)
		}
	}
	p.records = int32(len(recs))
	b.appends = append(b.appends, p)
	b.size += bytes
}

// addWithHeaders adds a record whose headers are not locks alone.
func (b *batch) addWithHeaders(r *kgo.Record, now *clock, locks []record.Header, id, last bool) {
	var buf [8]record.Header // nearly always enough
	b.builder.Add(written(r, now, withLocks(buf[:0], r, locks, id, last)))
}

func written(r *kgo.Record, now *clock, headers []record.Header) record.Record {
	return record.Record{Timestamp: timestamp(r, now), Key: r.Key, Value: r.Value, Headers: headers}
}

func timestamp(r *kgo.Record, now *clock) int64 {
	if r.Timestamp.IsZero() {
		return now.now()
	}
	return r.Timestamp.UnixMilli()
}

// claim notes that its appends are sent now, and returns which are not to be;
// nil is none.
func (b *batch) claim() (dropped []bool) {
	for i := range b.appends {
		if b.appends[i].claim() {
			continue
		}
		if dropped == nil {
			dropped = make([]bool, len(b.appends))
		}
		dropped[i] = true
	}
	return dropped
}

// split writes the appends that keep accepts anew, into batches of so many
// appends at most that nothing joins. It is called for each append once.
func (b *batch) split(most int, keep func(i int, p *pending) bool) (parts []*batch) {
	w := b.builder.Walk()
	var part *batch
	for i := range b.appends {
		p := &b.appends[i]
		kept := keep(i, p)
		if kept && (part == nil || len(part.appends) == most) {
			part = newBatch(b.writer)
			part.sealed, part.maybeWritten, part.cause = true, b.maybeWritten, b.cause
			parts = append(parts, part)
		}
		for range p.records {
			w.Next()
			if kept {
				part.builder.Add(copied(&w, b.builder.FirstTimestamp()))
				part.size += len(w.Raw)
			}
		}
		if kept {
			part.appends = append(part.appends, *p)
		}
	}
	return parts
}

// copied is the walker's record.
func copied(w *record.Walker, firstTimestamp int64) record.Record {
	r := record.Record{Timestamp: firstTimestamp + w.TimestampDelta, Key: w.Key, Value: w.Value}
	headers := w.Headers()
	for {
		key, value, ok := headers.Next()
		if !ok {
			return r
		}
		r.Headers = append(r.Headers, record.Header{Key: string(key), Value: value})
	}
}

// complete gives each append its verdict; epoch is that in which the batch was
// written, and stamped whether the broker gave the records their time.
func (b *batch) complete(base protocol.Offset, epoch int32, stamped bool, verdicts []protocol.Verdict) {
	b.writer.c.appendLimit.giveBack(len(b.appends))
	first := int32(0)
	for i := range b.appends {
		p := &b.appends[i]
		for len(verdicts) > 0 && verdicts[0].First < first {
			verdicts = verdicts[1:]
		}
		switch {
		case len(verdicts) == 0 || verdicts[0].First >= first+p.records:
			p.finish(Result{Offset: int64(base) + int64(first), Records: int(p.records), epoch: epoch, stamped: stamped}, nil)
		case verdicts[0].Refusal == "":
			p.finish(Result{Offset: int64(verdicts[0].At), Records: int(p.records), Repeated: true}, nil)
		default:
			p.finishRefused(b.writer.at, first, verdicts[0].Refusal)
		}
		first += p.records
	}
}

// failAll gives each append the same error.
func (b *batch) failAll(err error) {
	b.writer.c.appendLimit.giveBack(len(b.appends))
	for i := range b.appends {
		b.appends[i].finish(Result{}, err)
	}
}

// badAppend is the append that holds the record to blame; -1 for none.
func (b *batch) badAppend() (place int, first int32) {
	for i := range b.appends {
		n := b.appends[i].records
		if first <= b.badRecord && b.badRecord < first+n {
			return i, first
		}
		first += n
	}
	return -1, 0
}
