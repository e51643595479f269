package segment

import (
	"bytes"
	"errors"
	"io"

	"github.com/lockstep-log/lockstep/protocol"
)

// place is where a batch begins, or where the last one ends.
type place struct {
	pos  int64
	next protocol.Offset // the base offset of the batch at pos, or one in the gap before it
	head header          // of that batch, once it was read; size 0 at the end
}

// locate finds the first batch of x with an offset at or above o.
func (l *Log) locate(s *snapshot, x *extent, o protocol.Offset) (place, error) {
	from := place{pos: s.groupPos, next: s.groupOffset}
	if !s.isActive(x) || o < s.groupOffset || s.groupPos >= x.size {
		guess := float64(o-x.base) / float64(x.next-x.base+1)
		e, _, err := l.lookup(s, x, guess, func(e entry) bool { return e.offset <= o })
		if err != nil {
			return place{}, err
		}
		from = e.place()
	}
	return l.walk(s, x, from, func(_ int64, h header) bool { return h.last >= o })
}

// lookup finds the last entry of x's index for which ok holds, and how many
// entries there are up to it; the segment's start, and none, if there is none.
// A sealed segment's index is built again if it cannot be used; the active
// one's is left to the writer, and reading starts at the segment's start.
func (l *Log) lookup(s *snapshot, x *extent, guess float64, ok func(entry) bool) (entry, int64, error) {
	first := entry{offset: x.base, maxTime: -1}
	total := x.entries
	if s.isActive(x) {
		total -= int64(len(s.tail))
		if e, n := lastOf(s.tail, ok); n > 0 {
			return e, total + n, nil
		}
	}
	if n := x.rebuilt.Load(); n > 0 {
		total = n - 1
	}
	if total == 0 {
		return first, 0, nil
	}
	e, n, err := l.lookupFile(x, total, guess, ok)
	if err != nil && !s.isActive(x) && !ShortOfDescriptors(err) {
		total, err = l.rebuildIndex(s, x)
		if err != nil && !Shortage(err) { // without an index, reads take longer
			return entry{}, 0, err
		}
		if err == nil {
			e, n, err = l.lookupFile(x, total, guess, ok)
		}
	}
	if err != nil || n == 0 {
		return first, 0, nil
	}
	return e, n, nil
}

func (l *Log) lookupFile(x *extent, total int64, guess float64, ok func(entry) bool) (entry, int64, error) {
	if total == 0 {
		return entry{}, 0, nil
	}
	f, err := l.files.acquire(l.indexPath(x.segment))
	if err != nil {
		return entry{}, 0, err
	}
	defer l.files.release(f)
	return lastInFile(f, x.base, total, guess, ok)
}

// walk steps from a known place to the first batch for which stop holds, or to
// the end. If that ends in damage, it may be the index that sent it to the
// wrong place; from the segment's start, the batches prove each other.
func (l *Log) walk(s *snapshot, x *extent, from place, stop func(pos int64, h header) bool) (place, error) {
	if from.pos >= x.size {
		return from, nil
	}
	f, err := l.files.acquire(l.logPath(x.segment))
	if err != nil {
		return place{}, err
	}
	defer l.files.release(f)
	at, err := l.walkFile(s, x, f, from, stop)
	if isCorrupt(err) && from.pos > 0 {
		least := from.pos
		return l.walkFile(s, x, f, place{next: x.base}, func(pos int64, h header) bool {
			return pos >= least && stop(pos, h)
		})
	}
	return at, err
}

func (l *Log) walkFile(
	s *snapshot, x *extent, f *openFile, from place, stop func(pos int64, h header) bool,
) (place, error) {
	scan := headers{
		window: newWindow(f, x.size, lookBuffers), path: f.path, pos: from.pos, next: from.next,
		sparse: x.sparse, epochs: s.epochs,
	}
	defer scan.release()
	for {
		h, err := scan.peek(x.next)
		if err != nil && err != io.EOF {
			return place{}, err
		}
		if err == io.EOF || stop(scan.pos, h) {
			return place{pos: scan.pos, next: scan.next, head: h}, nil
		}
		scan.skip(h)
	}
}

func isCorrupt(err error) bool {
	var c *CorruptError
	return errors.As(err, &c)
}

// rebuildIndex writes the index of a sealed segment anew from its batches and
// returns the number of its entries.
func (l *Log) rebuildIndex(s *snapshot, x *extent) (int64, error) {
	name := indexName(x.segment)
	_, err, _ := l.rebuilds.Do(name, func() (any, error) {
		entries, err := l.indexEntries(s, x)
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		for n := 0; n*chunkEntries < len(entries); n++ {
			out.Write(encodeChunk(x.base, int64(n), entries[n*chunkEntries:min((n+1)*chunkEntries, len(entries))]))
		}
		if err := writeFile(l.fs, l.dir, name, out.Bytes()); err != nil {
			return nil, err
		}
		l.files.forget(l.path(name))
		x.rebuilt.Store(int64(len(entries)) + 1)
		return nil, nil
	})
	return x.rebuilt.Load() - 1, err
}

// indexEntries are the entries that an index of x has.
func (l *Log) indexEntries(s *snapshot, x *extent) ([]entry, error) {
	var entries []entry
	indexed, maxTime := int64(0), int64(-1)
	err := l.eachHeader(s, x, func(pos int64, h header) error {
		if pos-indexed >= defaultIndexIntervalBytes {
			entries = append(entries, entry{offset: h.base, pos: pos, maxTime: maxTime})
			indexed = pos
		}
		maxTime = max(maxTime, h.maxTime)
		return nil
	})
	return entries, err
}
