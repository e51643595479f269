package fetching

import (
	"errors"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// PieceBytes is how much is read and sent at once.
const PieceBytes = 1 << 20

// Bound is up to where a reader may read.
type Bound uint8

const (
	// Committed is below the high watermark: what a consumer reads.
	Committed Bound = iota
	// Stable is below the last stable offset, which no open transaction is behind:
	// what a consumer reads that asks for committed transactions.
	Stable
	// LogEnd is all that there is, committed or not: what a replica reads.
	LogEnd
)

// RecordSource is where the records of one partition are read from. What Read
// returns may lie anywhere that Records can tell of, and need not be at hand yet:
// its length must be known, its bytes only when the answer is encoded or sent.
//
// A log is one where the partition is open here. A log that is damaged, and read as
// far as it is whole, is another: nobody leads it, and it does not grow.
type RecordSource interface {
	// Start is the first offset that is kept.
	Start() protocol.Offset
	// Below is the offset up to which a reader with that bound may read.
	Below(Bound) protocol.Offset
	// Aborted lists the transactions that were aborted by a marker at or behind an
	// offset, and that began below another, which is stable; in the order of their markers.
	Aborted(from, below protocol.Offset) []replica.AbortedTransaction
	// Read returns whole batches from an offset on that begin below another, of
	// maxBytes at most; the first one whatever its size, if atLeastOne.
	Read(from, below protocol.Offset, maxBytes int, atLeastOne bool) (Records, error)
	// NoteDamage is told why records could not be read, or were not what they ought
	// to be.
	NoteDamage(error)
}

// Records are whole batches that lie one behind the other somewhere. They have one
// owner, who closes them once. segment.Range is those of a file.
type Records interface {
	// Len is the number of bytes.
	Len() int
	// NextOffset is where to read on.
	NextOffset() protocol.Offset
	// File says where the bytes lie, if they lie in a file, as segment.Range.File does.
	File() (fd uintptr, pos, n int64, verified bool)
	// Verify checks every batch.
	Verify() error
	// AppendTo appends the bytes to dst, checked.
	AppendTo(dst []byte) ([]byte, error)
	// Close lets go of what the bytes lie in.
	Close()
}

// Read takes pieces below an offset until the bytes are used up. The first piece
// of an answer may be larger than asked for, so that a large batch cannot stop a
// reader.
func (p *Part) Read(src RecordSource, from, below protocol.Offset, bytesMax int, first bool) error {
	p.Source = src
	for from < below && (p.Bytes < bytesMax || first) {
		r, err := src.Read(from, below, min(PieceBytes, bytesMax-p.Bytes), first)
		if errors.Is(err, segment.ErrOffsetOutOfRange) || errors.Is(err, segment.ErrClosed) {
			return err
		}
		if err != nil {
			src.NoteDamage(err)
			return err
		}
		if r.Len() == 0 {
			r.Close()
			return nil
		}
		p.Records = append(p.Records, r)
		p.Bytes += r.Len()
		from, first = r.NextOffset(), false
	}
	return nil
}

// tellAborted adds the aborted transactions that a reader of committed ones must
// know for the records that were found from an offset on. There may be none: the
// list then is empty, and not absent.
func (p *Part) tellAborted(src RecordSource, from protocol.Offset) {
	p.Aborted = []replica.AbortedTransaction{}
	if n := len(p.Records); n > 0 {
		p.Aborted = append(p.Aborted, src.Aborted(from, p.Records[n-1].NextOffset())...)
	}
}
