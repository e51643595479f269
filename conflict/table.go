package conflict

import "unsafe"

// table is an exact map from hash to a value that is not 0.
//
// It is extendible hashing: a directory, indexed by the first depth bits of
// hi, points to segments of a fixed size, which are probed linearly from lo.
//
//	hi: 01|10110…        directory          segments
//	    depth = 2    ┌─ 00 ─────────┬──► [slots] depth 1
//	                 │  01 ─────────┘
//	                 │  10 ────────────► [slots] depth 2
//	                 └─ 11 ────────────► [slots] depth 2
//
// A segment that is three quarters full is split in two. One table that
// doubles as a whole was tried first: it stops the partition for tens of
// milliseconds at a million locks; a split moves at most 768 entries. And since
// all memory comes in one size, a generation's end feeds the next one's start.
//
// Before its first segment a table is one small slice that doubles, so that a
// partition with a handful of locks costs a few hundred bytes.
//
// Entries hold no pointers: the garbage collector does not look into them.
type table struct {
	small     []slot     // while directory is nil; its length is a power of two
	directory []*slots   // 1<<depth entries
	segments  []*segment // beside the directory: whose slots those are
	depth     uint8
	count     int // segments
	n         int // entries
}

type slot struct {
	hash  hash
	value uint64 // 0: the slot is empty
}

const (
	segmentSlots  = 1024
	smallSlotsMin = 8
	slotBytes     = int64(unsafe.Sizeof(slot{}))
	segmentBytes  = int64(unsafe.Sizeof(slots{}) + unsafe.Sizeof(segment{}))
)

type slots [segmentSlots]slot // a size class of the allocator, without waste

// segment is what only growing asks about its slots.
type segment struct {
	slots *slots
	n     int
	depth uint8 // leading bits of hi that its entries share; at most the table's
}

// full is the load at which a run of slots is to be split or doubled. Some
// slots always stay empty, so that a probe ends.
func full(n, slots int) bool { return n >= slots/4*3 }

// home is the run of slots that may hold h; nil in an empty table.
func (t *table) home(h hash) []slot {
	if t.directory == nil {
		return t.small
	}
	return t.directory[h.hi>>(64-t.depth)][:]
}

// touch reads where h would be, so that the reads of many hashes overlap. The
// answer means nothing.
func (t *table) touch(h hash) uint64 {
	if slots := t.home(h); len(slots) != 0 {
		return slots[h.lo&uint64(len(slots)-1)].value
	}
	return 0
}

// get returns h's value, or 0.
func (t *table) get(h hash) uint64 {
	slots := t.home(h)
	if len(slots) == 0 {
		return 0
	}
	return probe(slots, h).value
}

// probe finds h's slot, or the empty one where it belongs.
func probe(slots []slot, h hash) *slot {
	mask := uint64(len(slots) - 1)
	for i := h.lo; ; i++ {
		s := &slots[i&mask]
		if s.hash == h || s.value == 0 {
			return s
		}
	}
}

// put finds h's slot, or makes one: then its value is 0 and the caller must
// give it another at once. The slot is good until the next put.
func (t *table) put(h hash, b *Budget) *slot {
	for {
		if slots := t.home(h); len(slots) != 0 {
			s := probe(slots, h)
			if s.value != 0 {
				return s
			}
			if t.admit(h) {
				s.hash = h
				return s
			}
		}
		t.grow(h, b)
	}
}

// admit counts one more entry where h belongs, unless that place is full.
func (t *table) admit(h hash) bool {
	if t.directory == nil {
		if full(t.n, len(t.small)) {
			return false
		}
	} else {
		s := t.segments[h.hi>>(64-t.depth)]
		if full(s.n, segmentSlots) {
			return false
		}
		s.n++
	}
	t.n++
	return true
}

func (t *table) grow(h hash, b *Budget) {
	switch {
	case t.directory != nil:
		t.split(h, b)
	case len(t.small) < segmentSlots/2:
		t.double(b)
	default:
		t.open(b)
	}
}

func (t *table) double(b *Budget) {
	old := t.small
	t.small = make([]slot, max(smallSlotsMin, 2*len(old)))
	b.used.Add(slotBytes * int64(len(t.small)-len(old)))
	for i := range old {
		if old[i].value != 0 {
			*probe(t.small, old[i].hash) = old[i]
		}
	}
}

// open moves the small table into the first segment.
func (t *table) open(b *Budget) {
	first := b.segment()
	first.n, t.count = t.n, 1
	for i := range t.small {
		if t.small[i].value != 0 {
			*probe(first.slots[:], t.small[i].hash) = t.small[i]
		}
	}
	b.used.Add(-slotBytes * int64(len(t.small)))
	t.small, t.directory, t.segments = nil, []*slots{first.slots}, []*segment{first}
}

// split puts two segments in the place of the one that h belongs to.
func (t *table) split(h hash, b *Budget) {
	old := t.segments[h.hi>>(64-t.depth)]
	if old.depth == t.depth {
		t.deepen()
	}
	var halves [2]*segment
	for i := range halves {
		halves[i] = b.segment()
		halves[i].depth = old.depth + 1
	}
	for i := range old.slots {
		if s := &old.slots[i]; s.value != 0 {
			half := halves[s.hash.hi>>(63-old.depth)&1]
			*probe(half.slots[:], s.hash) = *s
			half.n++
		}
	}
	t.replace(h, old.depth, halves)
	b.putSegment(old)
	t.count++
}

// replace points the directory entries of a segment of that depth to its halves.
func (t *table) replace(h hash, depth uint8, halves [2]*segment) {
	span := uint64(1) << (t.depth - depth)
	start := h.hi >> (64 - t.depth) &^ (span - 1)
	for i := range span {
		half := halves[i/(span/2)]
		t.segments[start+i], t.directory[start+i] = half, half.slots
	}
}

// deepen doubles the directory.
func (t *table) deepen() {
	segments, directory := make([]*segment, 2*len(t.segments)), make([]*slots, 2*len(t.segments))
	for i := range segments {
		segments[i], directory[i] = t.segments[i/2], t.directory[i/2]
	}
	t.segments, t.directory, t.depth = segments, directory, t.depth+1
}

// each calls f with every value, in no order.
func (t *table) each(f func(value uint64)) {
	t.runs(func(slots []slot) {
		for i := range slots {
			if slots[i].value != 0 {
				f(slots[i].value)
			}
		}
	})
}

// runs calls f with every run of slots once.
func (t *table) runs(f func([]slot)) {
	if t.directory == nil {
		f(t.small)
		return
	}
	for i := 0; i < len(t.segments); {
		s := t.segments[i]
		f(s.slots[:])
		i += 1 << (t.depth - s.depth)
	}
}

// release gives all memory back and empties the table.
func (t *table) release(b *Budget) {
	b.used.Add(-slotBytes * int64(len(t.small)))
	for i := 0; i < len(t.segments); {
		s := t.segments[i]
		i += 1 << (t.depth - s.depth)
		b.putSegment(s)
	}
	*t = table{}
}

// bytes is the memory of the entries.
func (t *table) bytes() int64 {
	if t.directory == nil {
		return slotBytes * int64(len(t.small))
	}
	return segmentBytes * int64(t.count)
}
