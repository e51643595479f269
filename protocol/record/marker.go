package record

import (
	"encoding/binary"

	"github.com/lockstep-log/lockstep/protocol"
)

// Marker is the control record that ends a producer's transaction in a
// partition (KIP-98). Its batch names the producer and an epoch of it.
//
//	key     version int16 = 0 | type int16: 0 abort, 1 commit
//	value   version int16 = 0 | coordinator epoch int32
//	header  "lockstep.end": number int64, big endian; left out where it is 0
//
// Key and value are Kafka's. The header is ours: consumers never show control
// records to anybody, and look at nothing but the key.
type Marker struct {
	Commit bool
	// CoordinatorEpoch is the leader epoch of whoever decided.
	CoordinatorEpoch int32
	// Number counts the ends of one transactional id; 0: who wrote it does not count.
	Number int64
}

const (
	markerHeader  = "lockstep.end"
	markerVersion = 0
	typeAbort     = 0
	typeCommit    = 1

	markerKeyBytes    = 2 + 2
	markerValueBytes  = 2 + 4
	markerNumberBytes = 8
)

// Batch is the marker as a batch of its own, without an offset.
func (m Marker) Batch(id protocol.ProducerID, epoch protocol.ProducerEpoch, timestampMs int64) Batch {
	kind := uint16(typeAbort)
	if m.Commit {
		kind = typeCommit
	}
	be := binary.BigEndian
	r := Record{
		Timestamp: timestampMs,
		Key:       be.AppendUint16(be.AppendUint16(nil, markerVersion), kind),
		Value:     be.AppendUint32(be.AppendUint16(nil, markerVersion), uint32(m.CoordinatorEpoch)),
	}
	if m.Number != 0 {
		r.Headers = []Header{{Key: markerHeader, Value: be.AppendUint64(nil, uint64(m.Number))}}
	}
	b := NewBuilder(CodecNone).Producer(id, epoch, -1).Transactional().Control().Add(r)
	raw, err := b.Build()
	if err != nil {
		panic("record: a marker cannot be built: " + err.Error()) // one record of some bytes
	}
	return Batch{raw}
}

// Marker reads a control batch's marker. False: it is none, but something that a
// later version may write.
func (r *Records) Marker() (m Marker, ok bool) {
	w := r.Walk()
	if !w.Next() || len(w.Key) < markerKeyBytes || len(w.Value) < markerValueBytes {
		return Marker{}, false
	}
	// Later versions add to the end of key and value, as in Kafka.
	kind := binary.BigEndian.Uint16(w.Key[2:])
	if kind != typeAbort && kind != typeCommit {
		return Marker{}, false
	}
	m.Commit, m.CoordinatorEpoch = kind == typeCommit, int32(binary.BigEndian.Uint32(w.Value[2:]))
	for headers := w.Headers(); ; {
		key, value, ok := headers.Next()
		if !ok {
			return m, true
		}
		if string(key) == markerHeader && len(value) == markerNumberBytes {
			m.Number = int64(binary.BigEndian.Uint64(value))
		}
	}
}
