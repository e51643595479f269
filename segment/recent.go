package segment

import (
	"slices"
	"sync/atomic"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

const (
	// recentBytes is how much of a log's end is kept in memory.
	recentBytes = 8 << 10
	// recentBatchMax: beside what a larger batch costs, two reads of its file are little.
	recentBatchMax = 2 << 10
	// recentLogs bounds the logs that share a Files and have their end in memory: 2 MiB for all.
	recentLogs = 256
)

// recent is the last batches of a log, as they lie in its active segment. A
// reader that keeps up with small appends wants just these, and finding and
// reading one in the file takes longer than all else that it asks for.
//
// It is a part of the snapshot. Its bytes are shared with later ones and only
// ever appended to behind size.
type recent struct {
	in   *memory         // nil: there are none
	from protocol.Offset // base of the first batch
	pos  int64           // where that lies in the segment
	size int             // bytes of all
}

// memory is where a log keeps its recent batches, until other logs need it.
type memory struct {
	bytes atomic.Pointer[[recentBytes]byte] // nil: taken away
	place int                               // among Files.mu.memories
}

// after is r with one more batch, which lies at pos.
func (r recent) after(b record.Batch, pos int64, files *Files) recent {
	n := b.Size()
	if n > recentBatchMax {
		return recent{}
	}
	var bytes *[recentBytes]byte
	if r.in != nil && r.pos+int64(r.size) == pos && r.size+n <= recentBytes {
		bytes = r.in.bytes.Load()
	}
	if bytes == nil {
		bytes = new([recentBytes]byte)
		r = recent{in: files.memory(r.in, bytes), from: b.BaseOffset(), pos: pos}
	}
	copy(bytes[r.size:], b.Bytes())
	r.size += n
	return r
}

// memory gives a log memory in place of what it had, or of what was given out
// longest ago.
func (f *Files) memory(old *memory, bytes *[recentBytes]byte) *memory {
	m := &memory{}
	m.bytes.Store(bytes)
	f.mu.Lock()
	defer f.mu.Unlock()
	if old != nil && f.mu.memories[old.place] == old {
		m.place = old.place
	} else {
		m.place = f.mu.nextMemory
		f.mu.nextMemory = (m.place + 1) % recentLogs
	}
	if last := f.mu.memories[m.place]; last != nil {
		last.bytes.Store(nil)
	}
	f.mu.memories[m.place] = m
	return m
}

// find is Log.read in memory. It finds nothing where not all that is asked for
// is there, or none of it may be read.
func (r *recent) find(s *snapshot, from, below protocol.Offset, maxBytes int, atLeastOne bool) (Range, bool) {
	if r.in == nil || from < r.from {
		return Range{}, false
	}
	// Who needs the memory takes it from a reader by that pointer; the file has the same bytes.
	bytes := r.in.bytes.Load()
	if bytes == nil {
		return Range{}, false
	}
	skipped, n := 0, 0
	out := Range{snap: s, of: &s.active}
	for skipped+n < r.size {
		h, _ := readHeader(bytes[skipped+n : r.size])
		size := int(h.size)
		if h.last < from {
			skipped += size
			continue
		}
		// The first batch is given whatever its size, so that a reader with a small buffer gets on.
		if h.last >= below || n+size > maxBytes && !(atLeastOne && n == 0) {
			break
		}
		if n == 0 {
			out.first = h.base
		}
		n, out.next = n+size, h.next()
	}
	out.memory = slices.Clip(bytes[skipped : skipped+n])
	out.pos = r.pos + int64(skipped)
	out.end = out.pos + int64(n)
	return out, n > 0
}
