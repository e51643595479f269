package conflict

import "unsafe"

// table is an exact map from hash to a value that is not 0.
//
// It is extendible hashing: a directory, indexed by the first bits of hi,
// points to segments of a fixed size, which are probed linearly from lo.
//
//	hi: 01|10110…       directory         segments
//	    shift = 62   ┌─ 00 ────────┬──► [slots] depth 1
//	                 │  01 ────────┘
//	                 │  10 ───────────► [slots] depth 2
//	                 └─ 11 ───────────► [slots] depth 2
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
	directory []*slot    // 1<<(64-shift) entries, at least two: a segment's first slot
	segments  []*segment // beside the directory: whose slots those are
	shift     uint8      // of hi, to index the directory
	count     int        // segments
	n         int        // entries
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
//
// The directory holds pointers to slots, not to arrays: to slice an array by
// its pointer reads its first byte, which costs as much as the search itself.
func (t *table) home(h hash) []slot {
	if t.directory == nil {
		return t.small
	}
	return unsafe.Slice(t.directory[t.index(h)], segmentSlots)
}

func (t *table) index(h hash) uint64 { return h.hi >> (t.shift & 63) }

// prefetchBlock is how many locks are read ahead at a time: enough to keep the
// processor's loads overlapping, and few enough that all are still in its
// first cache when they are looked at.
const prefetchBlock = 64

// prefetch reads both ends of the slots where the locks would be, so that memory
// is waited for once, for all of them. The loop is bare, since a processor
// looks ahead by instructions: at three dozen a lock it overlapped half as
// many reads. The answer means nothing.
func (t *table) prefetch(locks []lock) (sum uint64) {
	if t.directory == nil {
		return 0
	}
	for i := range locks {
		s := t.first(locks[i].hash)
		sum += s.hash.hi + s.value
	}
	return sum
}

// prefetchNew is prefetch for locks that are about to be entered, given by their
// places: it reads as well what put asks of their segments.
func (t *table) prefetchNew(locks []lock, places []int32) (sum uint64) {
	if t.directory == nil {
		return 0
	}
	for _, i := range places {
		h := locks[i].hash
		s := t.first(h)
		sum += s.hash.hi + s.value + uint64(t.segments[t.index(h)].n)
	}
	return sum
}

// prefetchIDs is prefetch for lock-ids.
func (t *table) prefetchIDs(ids []lockID) (sum uint64) {
	if t.directory == nil {
		return 0
	}
	for i := range ids {
		s := t.first(ids[i].hash)
		sum += s.hash.hi + s.value
	}
	return sum
}

// first is the slot where the search for h begins. There must be a directory.
func (t *table) first(h hash) *slot {
	return (*slot)(unsafe.Add(unsafe.Pointer(t.directory[t.index(h)]), h.lo%segmentSlots*uint64(slotBytes)))
}

// empty reports whether the table has no entry.
func (t *table) empty() bool { return t.n == 0 }

// get returns h's value, or 0.
func (t *table) get(h hash) uint64 { return t.find(h).value }

// find is the slot of h, or one that is empty and not to be written to. It is
// good until the next put.
func (t *table) find(h hash) *slot {
	slots := t.home(h)
	if len(slots) == 0 {
		return &nowhere
	}
	return probe(slots, h)
}

// nowhere is the empty slot of a table without any.
var nowhere slot

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
		s := t.segments[t.index(h)]
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

// open moves the small table into the first two segments.
func (t *table) open(b *Budget) {
	halves := t.halves(0, b)
	divide(t.small, 0, halves)
	b.used.Add(-slotBytes * int64(len(t.small)))
	t.small, t.shift = nil, 63
	t.segments = halves[:]
	t.directory = []*slot{&halves[0].slots[0], &halves[1].slots[0]}
}

// split puts two segments in the place of the one that h belongs to.
func (t *table) split(h hash, b *Budget) {
	old := t.segments[t.index(h)]
	if old.depth == 64-t.shift {
		t.deepen()
	}
	halves := t.halves(old.depth, b)
	divide(old.slots[:], old.depth, halves)
	t.replace(h, old.depth, halves)
	b.putSegment(old)
	t.count--
}

// halves are two empty segments for what had that depth.
func (t *table) halves(depth uint8, b *Budget) (halves [2]*segment) {
	for i := range halves {
		halves[i] = b.segment()
		halves[i].depth = depth + 1
	}
	t.count += 2
	return halves
}

// divide moves entries that share depth bits of hi, by the next bit.
func divide(from []slot, depth uint8, to [2]*segment) {
	for i := range from {
		if s := &from[i]; s.value != 0 {
			half := to[s.hash.hi>>(63-depth)&1]
			*probe(half.slots[:], s.hash) = *s
			half.n++
		}
	}
}

// replace points the directory entries of a segment of that depth to its halves.
func (t *table) replace(h hash, depth uint8, halves [2]*segment) {
	span := t.span(depth)
	start := t.index(h) &^ (span - 1)
	for i := range span {
		half := halves[i/(span/2)]
		t.segments[start+i], t.directory[start+i] = half, &half.slots[0]
	}
}

// span is the number of directory entries that point to a segment of a depth.
func (t *table) span(depth uint8) uint64 { return 1 << (64 - t.shift - depth) }

// deepen doubles the directory.
func (t *table) deepen() {
	segments, directory := make([]*segment, 2*len(t.segments)), make([]*slot, 2*len(t.segments))
	for i := range segments {
		segments[i], directory[i] = t.segments[i/2], t.directory[i/2]
	}
	t.segments, t.directory, t.shift = segments, directory, t.shift-1
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
		i += int(t.span(s.depth))
	}
}

// release gives all memory back and empties the table.
func (t *table) release(b *Budget) {
	b.used.Add(-slotBytes * int64(len(t.small)))
	for i := 0; i < len(t.segments); {
		s := t.segments[i]
		i += int(t.span(s.depth))
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
