package segment

import (
	"sort"
	"sync/atomic"

	"github.com/lockstep-log/lockstep/protocol"
)

// segment is what stays the same about one file of batches while it grows, and
// what readers have found out about it. Shared by every snapshot that has it.
type segment struct {
	base protocol.Offset

	// edition counts how often compaction has rewritten the file, or those that
	// it was made of; it is part of the file's name.
	edition uint32

	// writtenMs is when the newest record of a compacted segment was appended, at
	// the latest: the file itself is younger. -1: ask the file.
	writtenMs int64

	// trustedFrom is the position from which on all bytes were written, or
	// scanned by recovery, in this process. Set before the segment is published.
	trustedFrom int64

	// checked is an interval of positions, from<<32 | to, whose CRCs readers of
	// this process have verified.
	checked atomic.Uint64

	// rebuilt is 1 + the number of entries in the index file if this process
	// has built it again, for then it need not be the manifest's.
	rebuilt atomic.Int64
}

// extent is a segment and how far it goes: a value that never changes.
type extent struct {
	*segment
	next        protocol.Offset // base <= next: the offset behind the last batch
	size        int64           // bytes of batches; the file may end in zeros behind them
	maxTime     int64           // the greatest max timestamp of a batch, or -1
	maxTimeBase protocol.Offset // base offset of the first batch that has it
	entries     int64           // of its index
	sparse      bool            // there may be gaps between batches
	held        bool            // compaction left superseded records here, for a reason
}

func newExtent(base protocol.Offset) extent {
	return extent{segment: &segment{base: base, writtenMs: -1}, next: base, maxTime: -1, maxTimeBase: base}
}

// snapshot is the whole log at one moment. Published by the writer, never
// changed; slices are shared between snapshots and only ever appended to
// behind the length that was published.
type snapshot struct {
	start  protocol.Offset
	sealed []extent
	active extent
	tail   []entry // of the active segment's index: what is not in full chunks
	epochs epochs

	// compacted is the offset below which a pass of compaction has been:
	// between any two records there that are left, no key is twice.
	compacted protocol.Offset

	sealedBytes int64
	generation  uint64 // rises when anything is cut off or dropped

	// The last group that was appended starts here. Consumers that keep up read
	// from exactly this place.
	groupOffset protocol.Offset
	groupPos    int64
	recent      recent // batches of the active segment, up to its end
}

func (s *snapshot) end() protocol.Offset { return s.active.next }

func (s *snapshot) bytes() int64 { return s.sealedBytes + s.active.size }

// extent is the i-th segment; the active one is the last.
func (s *snapshot) extent(i int) *extent {
	if i == len(s.sealed) {
		return &s.active
	}
	return &s.sealed[i]
}

func (s *snapshot) isActive(x *extent) bool { return x.segment == s.active.segment }

// find is the index of the segment in which a batch with o, or the next one
// behind it, lies.
func (s *snapshot) find(o protocol.Offset) int {
	return sort.Search(len(s.sealed), func(i int) bool { return s.sealed[i].next > o })
}

// setSealed replaces the sealed segments.
func (s *snapshot) setSealed(sealed []extent) {
	s.sealed, s.sealedBytes = sealed, 0
	for i := range sealed {
		s.sealedBytes += sealed[i].size
	}
}

// verified reports whether this process wrote or checked the bytes from pos to end.
func (s *segment) verified(pos, end int64) bool {
	from, to := unpack(s.checked.Load())
	return pos >= s.trustedFrom || from <= pos && end <= to || from <= pos && s.trustedFrom <= to
}

// markVerified notes that the bytes from pos to end were checked. One interval
// is kept: it grows while readers go through the segment in order.
func (s *segment) markVerified(pos, end int64) {
	for {
		old := s.checked.Load()
		from, to := unpack(old)
		switch {
		case pos >= from && end <= to:
			return
		case pos <= to && from <= end:
			from, to = min(from, pos), max(to, end)
		case end-pos > to-from:
			from, to = pos, end
		default:
			return
		}
		if s.checked.CompareAndSwap(old, uint64(from)<<32|uint64(to)) {
			return
		}
	}
}

func unpack(v uint64) (from, to int64) { return int64(v >> 32), int64(v & (1<<32 - 1)) }
