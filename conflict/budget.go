package conflict

import (
	"sync"
	"sync/atomic"
)

// Budget is how much memory the windows of all partitions of a process may
// take together. It is a target, not a wall: a generation may leave memory
// only when the Base has it, so that a partition whose high watermark stands
// still goes on growing with its uncommitted tail.
//
// It also recycles the blocks that generations are made of, so that a steady
// flow of marks allocates nothing. Safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64

	segments, chunks, idBlocks sync.Pool
}

// windowBytesDefault is the limit of a Budget that was made without one.
const windowBytesDefault = 256 << 20

// NewBudget returns a budget of that many bytes; zero or less is 256 MiB.
func NewBudget(bytes int64) *Budget {
	if bytes <= 0 {
		bytes = windowBytesDefault
	}
	return &Budget{limit: bytes}
}

// Used is how many bytes of window there are.
func (b *Budget) Used() int64 { return b.used.Load() }

// A single partition freezes at a quarter of the limit, so that a young and a
// frozen generation and one that is being written fit. Under pressure smaller
// generations are frozen too, down to generationBytesMin.
const generationBytesMin = 64 << 10

// wantsFrozen reports whether a young generation of that size should be frozen.
func (b *Budget) wantsFrozen(bytes int64) bool {
	return bytes >= max(b.limit/4, 1) || bytes >= min(generationBytesMin, b.limit/8) && b.Used() >= b.limit/4*3
}

// wantsDropped reports whether generations that are safe in the Base should
// leave memory.
func (b *Budget) wantsDropped() bool { return b.Used() >= b.limit/2 }

func (b *Budget) segment() *segment {
	b.used.Add(segmentBytes)
	if s, ok := b.segments.Get().(*segment); ok {
		clear(s.slots[:])
		s.n, s.depth = 0, 0
		return s
	}
	return &segment{slots: new(slots)}
}

func (b *Budget) putSegment(s *segment) {
	b.used.Add(-segmentBytes)
	b.segments.Put(s)
}

func (b *Budget) chunk() *chunk {
	b.used.Add(chunkBytes)
	if c, ok := b.chunks.Get().(*chunk); ok {
		return c
	}
	return new(chunk)
}

func (b *Budget) putChunk(c *chunk) {
	b.used.Add(-chunkBytes)
	b.chunks.Put(c)
}

func (b *Budget) idBlock() *idBlock {
	b.used.Add(idBlockBytes)
	if c, ok := b.idBlocks.Get().(*idBlock); ok {
		return c
	}
	return new(idBlock)
}

func (b *Budget) putIDBlock(c *idBlock) {
	b.used.Add(-idBlockBytes)
	b.idBlocks.Put(c)
}
