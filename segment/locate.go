package segment

import (
	"bytes"
	"errors"
	"io"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// place is where something is in a segment: the batch at pos, if there is one,
// and where the batches before it end.
type place struct {
	pos   int64
	next  protocol.Offset // behind the batch before pos
	exact bool            // next is the base offset of the batch at pos as well
	head  header          // of the batch at pos, once it was read; size 0 at the end
}

// place is what an index promises. A segment may begin with a gap.
func (e entry) place() place { return place{pos: e.pos, next: e.offset, exact: e.pos > 0} }

// locate finds the first batch of x with an offset at or above o.
func (l *Log) locate(s *snapshot, x *extent, o protocol.Offset) (place, error) {
	from := entry{pos: s.groupPos, offset: s.groupOffset}.place()
	if !s.isActive(x) || o < s.groupOffset || s.groupPos >= x.size {
		e, _, err := l.lookup(s, x, func(e entry) bool { return e.offset <= o })
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
func (l *Log) lookup(s *snapshot, x *extent, ok func(entry) bool) (entry, int64, error) {
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
	e, n, err := l.lookupFile(x, total, ok)
	if err != nil && !s.isActive(x) {
		if total, err = l.rebuildIndex(s, x); err != nil {
			return entry{}, 0, err
		}
		e, n, err = l.lookupFile(x, total, ok)
	}
	if err != nil || n == 0 {
		return first, 0, nil
	}
	return e, n, nil
}

func (l *Log) lookupFile(x *extent, total int64, ok func(entry) bool) (entry, int64, error) {
	if total == 0 {
		return entry{}, 0, nil
	}
	f, err := l.files.acquire(l.indexPath(x.segment))
	if err != nil {
		return entry{}, 0, err
	}
	defer l.files.release(f)
	return lastInFile(f, x.base, total, ok)
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

// walkFile steps over headers only. They can lie about the last offset without
// showing it, for that is under the CRC, which takes the whole batch to
// compute. Where such a lie could pass for a gap in the log, the batch before
// the gap is proven.
func (l *Log) walkFile(s *snapshot, x *extent, f *openFile, from place, stop func(pos int64, h header) bool) (place, error) {
	scan := headers{window: newWindow(f, x.size, lookBuffers), path: f.path, pos: from.pos, next: from.next, epochs: s.epochs}
	defer scan.release()
	before := int64(-1)
	for {
		h, err := scan.peek()
		if err != nil && err != io.EOF {
			return place{}, err
		}
		gap := err == nil && h.base > scan.next || err == io.EOF && scan.next < x.next
		switch {
		case gap && before >= 0:
			if err := scan.prove(before); err != nil {
				return place{}, err
			}
		case gap && from.exact:
			return place{}, corrupt(f.path, scan.pos, scan.next, "batch begins at offset %d", h.base)
		}
		if err == io.EOF || stop(scan.pos, h) {
			return place{pos: scan.pos, next: scan.next, head: h}, nil
		}
		before = scan.pos
		scan.skip(h)
	}
}

// prove checks the whole batch at pos.
func (s *headers) prove(pos int64) error {
	b, err := s.at(pos, s.pos-pos)
	if err != nil {
		return err
	}
	if _, _, err := record.View(b); err != nil {
		return corrupt(s.path, pos, protocol.None, "%v", err)
	}
	return nil
}

func isCorrupt(err error) bool {
	var c *CorruptError
	return errors.As(err, &c)
}

// rebuildIndex writes the index of a sealed segment anew from its batches and
// returns the number of its entries.
func (l *Log) rebuildIndex(s *snapshot, x *extent) (int64, error) {
	name := indexName(x.base)
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
