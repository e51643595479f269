package replica

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Refusals of the sequence check (KIP-98, KIP-360). The broker maps them to
// Kafka's codes.
var (
	// ErrOutOfOrderSequence: a batch of this producer is missing before this one.
	ErrOutOfOrderSequence = errors.New("sequence does not follow the producer's last one")
	// ErrProducerFenced: a newer epoch of the producer has written.
	ErrProducerFenced = errors.New("a newer epoch of this producer id has written")
)

// batchesRemembered a producer: Kafka clients have at most five requests in flight.
const batchesRemembered = 5

// Producers folds a log into what is known of its idempotent producers: epoch,
// last sequence and the last five batches of each. It is a plain value of the
// partition's loop.
type Producers struct {
	byID map[protocol.ProducerID]*producer
	// missing is no part of the fold: a restart may forget it, since it ends the
	// connections as well.
	missing Missing[protocol.ProducerID]
}

type producer struct {
	epoch     protocol.ProducerEpoch
	last      protocol.Sequence // of its newest batch in this epoch; -1: there was none
	n         int               // batches[:n] are valid, oldest first
	batches   [batchesRemembered]appended
	timestamp int64 // of its newest batch
	lastMs    int64 // when the broker last heard of it
}

// appended is one batch in the log.
type appended struct {
	first, last protocol.Sequence
	base        protocol.Offset
	lastOffset  protocol.Offset
	timestamp   int64
}

// ProducerState is one row of the table, for DescribeProducers.
type ProducerState struct {
	ID            protocol.ProducerID
	Epoch         protocol.ProducerEpoch
	LastSequence  protocol.Sequence // -1: nothing was written in this epoch
	LastTimestamp int64
	// Transaction is the producer's. Producers leaves it empty.
	Transaction TransactionState
}

// NewProducers returns the table of an empty log.
func NewProducers() *Producers {
	return &Producers{byID: map[protocol.ProducerID]*producer{}}
}

// Repeat reports whether b was appended before, and where. It comes first of
// all checks: a retry must not be judged against its own first arrival.
func (t *Producers) Repeat(b record.Batch) (base protocol.Offset, timestamp int64, ok bool) {
	p := t.byID[b.ProducerID()]
	if p == nil || p.epoch != b.ProducerEpoch() || b.BaseSequence() < 0 {
		return 0, 0, false
	}
	first, last := b.BaseSequence(), b.LastSequence()
	for _, a := range p.batches[:p.n] {
		if a.first == first && a.last == last {
			return a.base, a.timestamp, true
		}
	}
	return 0, 0, false
}

// Knows reports whether anything of a producer is in the log.
func (t *Producers) Knows(id protocol.ProducerID) bool { return t.byID[id] != nil }

// Follows reports why b may not be appended next, or nil. A higher epoch
// starts at sequence 0 and needs no InitProducerId before it, since clients
// raise their own epoch after a refusal (KIP-360).
//
// A producer of which nothing is known may begin anywhere, as in Kafka: its
// topic was made again, or it was silent for long, and it goes on counting. But
// what it has in flight behind a batch that was refused is held back: the client
// may give the refused sequence to its next batch, which would then pass for a
// repeat and be lost.
func (t *Producers) Follows(b record.Batch) error {
	id, epoch, first := b.ProducerID(), b.ProducerEpoch(), b.BaseSequence()
	if id == protocol.NoProducer {
		return nil
	}
	p := t.byID[id]
	switch {
	case first < 0: // the broker's own: offsets that are committed in a transaction, markers
		if p != nil && epoch < p.epoch {
			return ErrProducerFenced
		}
		return nil
	case p == nil && t.missing.Holds(id, epoch, first):
		return ErrOutOfOrderSequence
	case p == nil:
		return nil
	case epoch < p.epoch:
		return ErrProducerFenced
	case epoch > p.epoch && first != 0, epoch == p.epoch && first != p.next():
		return ErrOutOfOrderSequence
	}
	return nil
}

// Refused notes that b was not appended, for whatever reason. Nothing advances;
// but the batches that its producer has in flight behind it must not pass for a
// first one.
func (t *Producers) Refused(b record.Batch) {
	if id := b.ProducerID(); id != protocol.NoProducer && b.BaseSequence() >= 0 && t.byID[id] == nil {
		t.missing.Note(id, b.ProducerEpoch(), b.BaseSequence())
	}
}

// ContinueFrom is told of the table that t takes the place of, because the log was
// folded anew: what was refused stays refused, and what was cut off the log's
// end is missing too.
func (t *Producers) ContinueFrom(was *Producers) {
	t.missing = was.missing
	for id, p := range was.byID {
		if t.byID[id] == nil && p.n > 0 {
			t.missing.Note(id, p.epoch, p.batches[0].first)
		}
	}
}

// Fold takes in a batch that is in the log. The time is the broker's, not the
// client's: what expires is decided by when the producer was last heard.
func (t *Producers) Fold(b record.Batch, nowMs int64) {
	id := b.ProducerID()
	if id == protocol.NoProducer {
		return
	}
	p := t.byID[id]
	if p == nil {
		p = &producer{epoch: b.ProducerEpoch(), last: -1}
		t.byID[id] = p
		t.missing.Forget(id)
	}
	if p.epoch != b.ProducerEpoch() {
		p.epoch, p.last, p.n = b.ProducerEpoch(), -1, 0
	}
	p.timestamp, p.lastMs = b.MaxTimestamp(), max(p.lastMs, nowMs)
	switch {
	case b.Control():
		// What comes behind a marker is of another transaction, and no repeat of what
		// was before: not even if its client counts from 0 again in the same epoch.
		p.n = 0
		return
	case b.BaseSequence() < 0:
		return
	}
	if p.n == batchesRemembered {
		copy(p.batches[:], p.batches[1:])
		p.n--
	}
	p.batches[p.n] = appended{b.BaseSequence(), b.LastSequence(), b.BaseOffset(), b.LastOffset(), b.MaxTimestamp()}
	p.n++
	p.last = b.LastSequence()
}

// Expire forgets producers that have not written since beforeMs, but for those that
// are to be kept.
func (t *Producers) Expire(beforeMs int64, keep func(protocol.ProducerID) bool) {
	for id, p := range t.byID {
		if p.lastMs < beforeMs && !keep(id) {
			delete(t.byID, id)
		}
	}
}

// Len is the number of producers known.
func (t *Producers) Len() int { return len(t.byID) }

// States lists the table by producer id.
func (t *Producers) States() []ProducerState {
	out := make([]ProducerState, 0, len(t.byID))
	for id, p := range t.byID {
		out = append(out, ProducerState{ID: id, Epoch: p.epoch, LastSequence: p.last, LastTimestamp: p.timestamp})
	}
	slices.SortFunc(out, func(a, b ProducerState) int { return int(min(1, max(-1, a.ID-b.ID))) })
	return out
}

// next is the sequence that must come after the last one; it wraps to 0.
func (p *producer) next() protocol.Sequence {
	if p.last == math.MaxInt32 {
		return 0
	}
	return p.last + 1
}

// A checkpoint is a magic, a count and, a producer, id, epoch, last sequence,
// timestamp, lastMs, n and n batches, all big-endian. The log's checkpoint file
// adds the CRC.
const producersMagic = 0x50524432 // "PRD2"

// AppendTo encodes the table.
func (t *Producers) AppendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, producersMagic)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(t.byID)))
	for id, p := range t.byID {
		dst = binary.BigEndian.AppendUint64(dst, uint64(id))
		dst = binary.BigEndian.AppendUint16(dst, uint16(p.epoch))
		dst = binary.BigEndian.AppendUint32(dst, uint32(p.last))
		dst = binary.BigEndian.AppendUint64(dst, uint64(p.timestamp))
		dst = binary.BigEndian.AppendUint64(dst, uint64(p.lastMs))
		dst = append(dst, byte(p.n))
		for _, a := range p.batches[:p.n] {
			dst = binary.BigEndian.AppendUint32(dst, uint32(a.first))
			dst = binary.BigEndian.AppendUint32(dst, uint32(a.last))
			dst = binary.BigEndian.AppendUint64(dst, uint64(a.base))
			dst = binary.BigEndian.AppendUint64(dst, uint64(a.lastOffset))
			dst = binary.BigEndian.AppendUint64(dst, uint64(a.timestamp))
		}
	}
	return dst
}

var errCheckpoint = errors.New("producer checkpoint does not decode")

// DecodeProducers reads what AppendTo wrote. An error means that the log must
// be folded from its start; it loses nothing.
func DecodeProducers(src []byte) (*Producers, error) {
	const head, each = 8 + 2 + 4 + 8 + 8 + 1, 4 + 4 + 8 + 8 + 8
	t := NewProducers()
	if len(src) < 8 || binary.BigEndian.Uint32(src) != producersMagic {
		return nil, errCheckpoint
	}
	count := binary.BigEndian.Uint32(src[4:])
	src = src[8:]
	for range count {
		if len(src) < head {
			return nil, errCheckpoint
		}
		id := protocol.ProducerID(binary.BigEndian.Uint64(src))
		p := &producer{
			epoch:     protocol.ProducerEpoch(binary.BigEndian.Uint16(src[8:])),
			last:      protocol.Sequence(binary.BigEndian.Uint32(src[10:])),
			timestamp: int64(binary.BigEndian.Uint64(src[14:])),
			lastMs:    int64(binary.BigEndian.Uint64(src[22:])),
			n:         int(src[30]),
		}
		src = src[head:]
		if p.n > batchesRemembered || len(src) < p.n*each {
			return nil, errCheckpoint
		}
		for i := range p.n {
			p.batches[i] = appended{
				first:      protocol.Sequence(binary.BigEndian.Uint32(src)),
				last:       protocol.Sequence(binary.BigEndian.Uint32(src[4:])),
				base:       protocol.Offset(binary.BigEndian.Uint64(src[8:])),
				lastOffset: protocol.Offset(binary.BigEndian.Uint64(src[16:])),
				timestamp:  int64(binary.BigEndian.Uint64(src[24:])),
			}
			src = src[each:]
		}
		t.byID[id] = p
	}
	if len(src) != 0 {
		return nil, errCheckpoint
	}
	return t, nil
}
