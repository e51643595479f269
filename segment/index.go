package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/lockstep-log/lockstep/protocol"
)

// entry of an index: at pos begins the batch with base offset, and the
// greatest max timestamp of the segment's batches before it is maxTime. All
// three rise from entry to entry.
type entry struct {
	offset  protocol.Offset
	pos     int64
	maxTime int64
}

func (e entry) place() place { return place{pos: e.pos, next: e.offset} }

// An index is only a hint where to start reading: what is found there proves
// itself. The segment's first batch has no entry; it is known to be at 0.

// encodeChunk is chunk number n of the segment's index.
func encodeChunk(base protocol.Offset, n int64, entries []entry) []byte {
	b := make([]byte, crcSize, chunkSize)
	b = append(b, indexMagic...)
	b = binary.BigEndian.AppendUint16(b, formatVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(len(entries)))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = appendInt64(b, int64(base))
	b = appendInt64(b, n)
	for _, e := range entries {
		b = appendInt64(b, int64(e.offset))
		b = appendInt64(b, e.pos)
		b = appendInt64(b, e.maxTime)
	}
	b = b[:chunkSize]
	binary.BigEndian.PutUint32(b, checksum(b[crcSize:]))
	return b
}

// errIndex means that an index is missing, damaged or of another version. It
// never leaves the package: the index is built again.
var errIndex = errors.New("index cannot be used")

// chunk is a proven chunk of an index file.
type chunk struct {
	b     [chunkSize]byte
	count int
}

// read reads chunk number n.
func (c *chunk) read(f io.ReaderAt, base protocol.Offset, n int64) error {
	if _, err := f.ReadAt(c.b[:], n*chunkSize); err != nil {
		return fmt.Errorf("%w: chunk %d: %w", errIndex, n, err)
	}
	b := c.b[:]
	c.count = int(binary.BigEndian.Uint16(b[10:]))
	switch {
	case binary.BigEndian.Uint32(b) != checksum(b[crcSize:]):
		return fmt.Errorf("%w: chunk %d: CRC does not match", errIndex, n)
	case string(b[4:8]) != indexMagic, binary.BigEndian.Uint16(b[8:]) != formatVersion,
		getInt64(b[16:]) != int64(base), getInt64(b[24:]) != n, c.count < 1, c.count > chunkEntries:
		return fmt.Errorf("%w: chunk %d: is not this segment's", errIndex, n)
	}
	return nil
}

func (c *chunk) entry(i int) entry {
	b := c.b[chunkHeadSize+i*entrySize:]
	return entry{offset: protocol.Offset(getInt64(b)), pos: getInt64(b[8:]), maxTime: getInt64(b[16:])}
}

// entriesOf decodes the first n entries of the chunk.
func (c *chunk) entriesOf(n int) []entry {
	out := make([]entry, 0, n)
	for i := range n {
		out = append(out, c.entry(i))
	}
	return out
}

// lastInFile finds the last entry for which ok holds among the first total
// entries of an index file, and how many entries there are up to it. ok must
// hold for a prefix of the entries. guess is how far into the index, from 0 to
// 1, the entry may be: where batches are alike that saves most of the reads.
func lastInFile(
	f io.ReaderAt, base protocol.Offset, total int64, guess float64, ok func(entry) bool,
) (found entry, n int64, err error) {
	var c chunk
	chunks := (total + chunkEntries - 1) / chunkEntries
	at, err := gallop(chunks, int64(guess*float64(chunks)), func(i int64) (bool, error) {
		err := c.read(f, base, i)
		return err == nil && ok(c.entry(0)), err
	})
	if err != nil || at < 0 {
		return entry{}, 0, err
	}
	if err := c.read(f, base, at); err != nil {
		return entry{}, 0, err
	}
	in := int(min(total-at*chunkEntries, chunkEntries))
	if in > c.count {
		return entry{}, 0, fmt.Errorf("%w: chunk %d has %d entries, should have %d", errIndex, at, c.count, in)
	}
	i := sort.Search(in, func(i int) bool { return !ok(c.entry(i)) })
	return c.entry(i - 1), at*chunkEntries + int64(i), nil
}

// gallop finds the greatest i below n for which ok holds, or -1, by steps that
// double away from the guess and then halve. ok holds for a prefix.
func gallop(n, guess int64, ok func(i int64) (bool, error)) (int64, error) {
	below, above := int64(-1), n // ok holds at below and not at above
	at, step := max(0, min(guess, n-1)), int64(1)
	for above-below > 1 {
		holds, err := ok(at)
		if err != nil {
			return -1, err
		}
		if holds {
			below = at
		} else {
			above = at
		}
		switch {
		case holds && below+step < above:
			at = below + step
		case !holds && above-step > below:
			at = above - step
		default:
			at = below + (above-below)/2
		}
		step *= 2
	}
	return below, nil
}

// lastOf is lastInFile for entries in memory.
func lastOf(entries []entry, ok func(entry) bool) (found entry, n int64) {
	i := sort.Search(len(entries), func(i int) bool { return !ok(entries[i]) })
	if i == 0 {
		return entry{}, 0
	}
	return entries[i-1], int64(i)
}

// recordBatch takes a batch into the state: sizes, times and the index.
func (l *Log) recordBatch(nowMs int64, h header) error {
	w := &l.w
	x := &w.state.active
	if x.size == 0 {
		w.firstTime = h.maxTime
	}
	if w.openedMs == 0 {
		w.openedMs = nowMs
	}
	if x.size-w.indexedTo >= w.cfg.IndexIntervalBytes {
		if err := l.addEntry(entry{offset: h.base, pos: x.size, maxTime: x.maxTime}); err != nil {
			return err
		}
	}
	if h.maxTime > x.maxTime {
		x.maxTime, x.maxTimeBase = h.maxTime, h.base
	}
	x.size += h.size
	x.next = h.next()
	return nil
}

// addEntry adds to the index; a full chunk goes to its file.
func (l *Log) addEntry(e entry) error {
	w := &l.w
	w.indexedTo = e.pos
	w.state.tail = append(w.state.tail, e)
	w.state.active.entries++
	if len(w.state.tail) < chunkEntries {
		return nil
	}
	err := l.writeTail()
	w.state.tail, w.tailWritten = nil, 0
	return err
}

// writeTail writes the index's last chunk at its place, be it full or not.
func (l *Log) writeTail() error {
	w := &l.w
	if len(w.state.tail) == w.tailWritten {
		return nil
	}
	if w.index == nil {
		f, err := l.fs.OpenReadWrite(l.indexPath(w.state.active.segment), diskWrites)
		if err != nil {
			return err
		}
		w.index = f
	}
	n := (w.state.active.entries - int64(len(w.state.tail))) / chunkEntries
	w.tailWritten = len(w.state.tail)
	_, err := w.index.WriteAt(encodeChunk(w.state.active.base, n, w.state.tail), n*chunkSize)
	return err
}
