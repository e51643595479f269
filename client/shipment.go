package client

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// shipment is a batch on its way. Appends are written into it while it waits;
// then it is given its sequence and sent, in the same bytes, until it is known
// what became of it. Its lane owns it: under the lane's mu while it waits.
//
//	waiting ──► flying ──► done              verdicts came
//	   ▲          ▲  ├──► again ──┐          no answer, or one that asks to try again
//	   │          └──┼────────────┤
//	   │             ├──► disordered         a batch before it is missing, to the broker
//	   └─────────────┴──► failed             it is not in the log and cannot be
//
// What goes back to wait is written anew, without what is settled: the bytes
// that were sent may still be read by a request that nobody waits for.
type shipment struct {
	lane    *lane
	appends []pending
	builder record.Builder
	size    int      // about what its records take
	sealed  bool     // no append joins it any more
	batch   []byte   // the builder's, sealed
	req     *produce // that sent it last
	state   state
	cause   error // of failed, and why it is sent again
	culprit int32 // of failed: the record to blame; -1 for none

	// elsewhere is who leads, by the broker that was asked last.
	elsewhere leadership

	// doubt: a request that carried it has ended without an answer that settles
	// it. That request may still be executed.
	doubt bool
	// first: nothing before it was unsettled when it was last sent, so that a
	// broker that finds it disordered has lost the sequence.
	first bool
	// lost: a request that carried it has ended without an answer, and may still
	// read its memory.
	lost bool
}

type state uint8

const (
	waiting state = iota
	flying
	done
	again
	disordered
	failed
)

// shipments are those that came to their end, with their memory.
var shipments = sync.Pool{New: func() any { return new(shipment) }}

// spareBytesMax bounds the memory that one of them holds on to.
const spareBytesMax = 4 << 20

func newShipment(l *lane) *shipment {
	s := shipments.Get().(*shipment)
	s.lane, s.state, s.culprit, s.elsewhere = l, waiting, -1, leaderless
	s.builder.Reset(l.c.opts.codec)
	return s
}

// release ends the use of a shipment.
func (s *shipment) release() {
	if s.lost || s.builder.Cap() > spareBytesMax {
		return
	}
	clear(s.appends)
	appends, builder, req := s.appends[:0], s.builder, s.req
	*s = shipment{appends: appends, builder: builder, req: req}
	shipments.Put(s)
}

// takes reports whether an append of so many bytes may join. Neighbours of one
// id would be one append.
func (s *shipment) takes(p *pending, bytes, most int) bool {
	if s.sealed || s.size+bytes > most {
		return false
	}
	return p.id == "" || s.appends[len(s.appends)-1].id != p.id
}

// add writes an append into the batch. Nothing of recs and locks is kept.
func (s *shipment) add(p pending, bytes int, recs []*kgo.Record, locks []record.Header, now *clock) {
	last := len(recs) - 1
	for i, r := range recs {
		if i == last && len(r.Headers) == 0 {
			s.builder.Add(written(r, now, locks))
		} else {
			s.addWithHeaders(r, now, locks, p.id != "", i == last)
		}
	}
	p.records = int32(len(recs))
	s.appends = append(s.appends, p)
	s.size += bytes
}

// addWithHeaders adds a record whose headers are not locks alone.
func (s *shipment) addWithHeaders(r *kgo.Record, now *clock, locks []record.Header, id, last bool) {
	var room [8]record.Header // nearly always enough
	s.builder.Add(written(r, now, withLocks(room[:0], r, locks, id, last)))
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

// take notes that its appends are sent now, and returns which are not to be;
// nil is none.
func (s *shipment) take() (left []bool) {
	for i := range s.appends {
		if s.appends[i].take() {
			continue
		}
		if left == nil {
			left = make([]bool, len(s.appends))
		}
		left[i] = true
	}
	return left
}

// split writes the appends that keep accepts anew, into shipments of so many
// appends at most that nothing joins. It is called for each append once.
func (s *shipment) split(most int, keep func(i int, p *pending) bool) (parts []*shipment) {
	w := s.builder.Walk()
	var part *shipment
	for i := range s.appends {
		p := &s.appends[i]
		kept := keep(i, p)
		if kept && (part == nil || len(part.appends) == most) {
			part = newShipment(s.lane)
			part.sealed, part.doubt, part.cause = true, s.doubt, s.cause
			parts = append(parts, part)
		}
		for range p.records {
			w.Next()
			if kept {
				part.builder.Add(copied(&w, s.builder.FirstTimestamp()))
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

// answer gives each append its verdict; epoch is that in which the batch was
// written, and stamped whether the broker gave the records their time.
func (s *shipment) answer(base protocol.Offset, epoch int32, stamped bool, verdicts []protocol.Verdict) {
	s.lane.c.slots.release(len(s.appends))
	first := int32(0)
	for i := range s.appends {
		p := &s.appends[i]
		for len(verdicts) > 0 && verdicts[0].First < first {
			verdicts = verdicts[1:]
		}
		switch {
		case len(verdicts) == 0 || verdicts[0].First >= first+p.records:
			p.finish(Result{Offset: int64(base) + int64(first), Records: int(p.records), epoch: epoch, stamped: stamped}, nil)
		case verdicts[0].Refusal == "":
			p.finish(Result{Offset: int64(verdicts[0].At), Records: int(p.records), Repeated: true}, nil)
		default:
			p.refused(s.lane.at, first, verdicts[0].Refusal)
		}
		first += p.records
	}
}

// fail gives each append the same error.
func (s *shipment) fail(err error) {
	s.lane.c.slots.release(len(s.appends))
	for i := range s.appends {
		s.appends[i].finish(Result{}, err)
	}
}

// blamed is the append that holds the culprit; -1 for none.
func (s *shipment) blamed() (place int, first int32) {
	for i := range s.appends {
		n := s.appends[i].records
		if first <= s.culprit && s.culprit < first+n {
			return i, first
		}
		first += n
	}
	return -1, 0
}
