package segment

import (
	"encoding/binary"
	"io"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// header is what the log needs to know of a batch without reading the rest of
// it. It is plausible at most: only record.View proves a batch.
type header struct {
	base, last protocol.Offset
	size       int64
	epoch      protocol.LeaderEpoch
	maxTime    int64
}

func (h header) next() protocol.Offset { return h.last + 1 }

func headerOf(b record.Batch) header {
	return header{
		base: b.BaseOffset(), last: b.LastOffset(), size: int64(b.Size()),
		epoch: b.LeaderEpoch(), maxTime: b.MaxTimestamp(),
	}
}

// readHeader reads a batch's header at the head of b, if it can be one.
func readHeader(b []byte) (header, bool) {
	size, ok := record.PeekSize(b)
	if !ok || len(b) < record.HeaderSize || b[16] != 2 {
		return header{}, false
	}
	h := header{
		base:    protocol.Offset(getInt64(b)),
		size:    int64(size),
		epoch:   protocol.LeaderEpoch(binary.BigEndian.Uint32(b[12:])),
		maxTime: getInt64(b[35:]),
	}
	delta := int32(binary.BigEndian.Uint32(b[23:]))
	h.last = h.base + protocol.Offset(delta)
	return h, h.base >= 0 && delta >= 0 && h.last >= h.base
}

// headers steps from batch to batch of a segment, and proves that each begins
// at the offset where the one before it ends, or behind it where the segment
// may have gaps, and is of the epoch that wrote there. A batch's CRC covers
// neither.
type headers struct {
	window
	path   string
	pos    int64           // of the next batch
	next   protocol.Offset // its base offset, or one in the gap before it
	sparse bool            // there may be gaps
	epochs epochs
}

// peek is the next batch's header; io.EOF at the end, which is at offset end.
func (s *headers) peek(end protocol.Offset) (header, error) {
	if s.pos >= s.size {
		if s.next != end {
			return header{}, corrupt(s.path, s.pos, s.next, "the segment's batches should end at offset %d", end)
		}
		return header{}, io.EOF
	}
	b, err := s.at(s.pos, record.HeaderSize)
	if err != nil {
		return header{}, err
	}
	h, ok := readHeader(b)
	if !ok {
		return header{}, corrupt(s.path, s.pos, s.next, "no batch begins here")
	}
	return h, s.check(h)
}

func (s *headers) check(h header) error {
	switch {
	case s.pos+h.size > s.size:
		return corrupt(s.path, s.pos, s.next,
			"batch of %d bytes goes beyond the end of the segment's batches, at %d", h.size, s.size)
	case h.base != s.next && !(s.sparse && h.base > s.next):
		return corrupt(s.path, s.pos, s.next, "batch begins at offset %d", h.base)
	case !s.epochs.agrees(h.last, h.epoch):
		return corrupt(s.path, s.pos, s.next,
			"batch is of leader epoch %d, but epoch %d wrote there", h.epoch, s.epochs.at(h.last))
	}
	return nil
}

// skip steps over the batch that peek gave.
func (s *headers) skip(h header) { s.pos, s.next = s.pos+h.size, h.next() }
