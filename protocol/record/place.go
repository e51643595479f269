package record

import (
	"encoding/binary"

	"github.com/lockstep-log/lockstep/protocol"
)

// Place writes the offset and the epoch that the leader gives the batch. Both
// fields lie before the CRC's range, so the checksum stays right.
func (b Batch) Place(base protocol.Offset, epoch protocol.LeaderEpoch) {
	binary.BigEndian.PutUint64(b.b[atBaseOffset:], uint64(base))
	binary.BigEndian.PutUint32(b.b[atLeaderEpoch:], uint32(epoch))
}

// StampLogAppendTime makes ms the time of every record, for topics with
// message.timestamp.type=LogAppendTime, and writes the CRC anew.
func (b Batch) StampLogAppendTime(ms int64) {
	attributes := b.Attributes() | attrLogAppendTime
	binary.BigEndian.PutUint16(b.b[atAttributes:], uint16(attributes))
	binary.BigEndian.PutUint64(b.b[atMaxTimestamp:], uint64(ms))
	b.seal()
}

// MarkCarried says in the batch that its lock headers were not judged, and writes
// the CRC anew.
func (b Batch) MarkCarried() {
	binary.BigEndian.PutUint16(b.b[atAttributes:], uint16(b.Attributes()|attrCarried))
	b.seal()
}

// CorrectMaxTimestamp writes the newest time of the opened records into the
// header, and the CRC anew, where the producer claims another: how long a
// segment is kept goes by it.
func (b Batch) CorrectMaxTimestamp(r *Records) {
	_, delta := r.TimestampDeltas()
	if newest := b.FirstTimestamp() + delta; newest != b.MaxTimestamp() {
		binary.BigEndian.PutUint64(b.b[atMaxTimestamp:], uint64(newest))
		b.seal()
	}
}

// seal writes the CRC of the bytes as they stand.
func (b Batch) seal() { binary.BigEndian.PutUint32(b.b[atCRC:], checksum(b.b)) }
