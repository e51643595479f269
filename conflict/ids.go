package conflict

import (
	"sort"
	"unsafe"
)

// idMark is one append that had a lock-id.
type idMark struct {
	digest digest
	first  uint32 // offset of its first record, from the generation's start
	count  uint32 // its records: they lie side by side
	id     ref
	// carried: it was not judged, so an earlier append with this id may be
	// remembered, and then that one is what the id stands for.
	carried bool
	// undecided: its transaction is not committed, and may never be.
	undecided bool
}

// idList is the appends of one generation that had a lock-id, in the order of
// their offsets. It answers "who wrote offset o?"; the generation's table of
// ids points into it.
type idList struct {
	first  []idMark   // the first block, grown on demand
	blocks []*idBlock // the blocks after it, all full but the last
	n      int
}

const (
	idBlockMarks = 512
	idMarkBytes  = int64(unsafe.Sizeof(idMark{}))
	idBlockBytes = idBlockMarks * idMarkBytes
)

type idBlock [idBlockMarks]idMark

// add appends m and returns its place. Marks come in the order of offsets.
func (l *idList) add(m idMark, b *Budget) int {
	place := l.n
	l.n++
	if place < idBlockMarks {
		before := cap(l.first)
		l.first = append(l.first, m)
		b.used.Add(idMarkBytes * int64(cap(l.first)-before))
		return place
	}
	if place%idBlockMarks == 0 {
		l.blocks = append(l.blocks, b.idBlock())
	}
	l.blocks[place/idBlockMarks-1][place%idBlockMarks] = m
	return place
}

func (l *idList) at(place int) *idMark {
	if place < idBlockMarks {
		return &l.first[place]
	}
	return &l.blocks[place/idBlockMarks-1][place%idBlockMarks]
}

// writerOf finds the append that holds an offset, given from the generation's
// start; nil when that append had no lock-id.
func (l *idList) writerOf(delta uint32) *idMark {
	after := sort.Search(l.n, func(i int) bool { return l.at(i).first > delta })
	if after == 0 {
		return nil
	}
	if m := l.at(after - 1); delta-m.first < m.count {
		return m
	}
	return nil
}

func (l *idList) bytes() int64 {
	return idMarkBytes*int64(cap(l.first)) + idBlockBytes*int64(len(l.blocks))
}

// release gives all memory back and empties the list.
func (l *idList) release(b *Budget) {
	b.used.Add(-idMarkBytes * int64(cap(l.first)))
	for _, block := range l.blocks {
		b.putIDBlock(block)
	}
	*l = idList{}
}
