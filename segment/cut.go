package segment

import (
	"io"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// Truncate cuts the log's end back, durably: every batch that has an offset at
// or above to is gone, with its epoch and every checkpoint that folded it. If
// to lies inside a batch, the end comes to lie before it. In a gap, and where
// nothing is below, the log ends at to.
func (l *Log) Truncate(to protocol.Offset) error {
	if err := l.usable(); err != nil {
		return err
	}
	if to >= l.w.state.end() {
		return nil
	}
	return l.fail("truncate", l.truncate(to))
}

func (l *Log) truncate(to protocol.Offset) error {
	// The manifest of the cut names the end of what stays, which must be on disk
	// before that is.
	if err := l.syncData(); err != nil {
		return err
	}
	s := l.w.state
	if to < s.extent(0).base {
		return l.reset(min(s.start, to), to)
	}
	i := len(s.sealed)
	for s.extent(i).base > to {
		i--
	}
	x, end, tail, err := l.cutExtent(&s, s.extent(i), to)
	if err != nil {
		return err
	}
	// Readers hold the old snapshot, so the list is copied and not cut.
	left := slices.Clone(s.sealed[:i])
	if x.size > 0 || x.next == end {
		left = append(left, x)
	}
	if x.next < end { // the gap stays one, and who wrote into it stays known
		left, tail = append(left, newExtent(end)), nil
	}
	return l.cut(min(s.start, end), left, s.epochs.before(end), tail)
}

// cutExtent is x without the batches that have an offset at or above to, where
// the log then ends, and the entries of x's index that belong into memory.
func (l *Log) cutExtent(
	s *snapshot, x *extent, to protocol.Offset,
) (out extent, end protocol.Offset, tail []entry, err error) {
	at, err := l.cutPlace(s, x, to)
	if err != nil {
		return extent{}, 0, nil, err
	}
	_, entries, err := l.lookup(s, x, 1, func(e entry) bool { return e.pos < at.pos })
	if err != nil {
		return extent{}, 0, nil, err
	}
	end = to
	if at.head.size > 0 {
		end = min(to, at.head.base)
	}
	out = *x
	out.next, out.size, out.entries = at.next, at.pos, entries
	// The batch with the greatest timestamp is cut off: which one has it now, only
	// the headers say.
	if out.maxTimeBase >= out.next {
		if err := l.remeasure(s, &out); err != nil {
			return extent{}, 0, nil, err
		}
	}
	tail, err = l.tailOf(s, x, entries)
	if err != nil { // without its index, reads of the segment take longer
		out.entries, tail = 0, nil
	}
	return out, end, tail, nil
}

// cutPlace is locate, with the end of the batch before it. Behind a gap the
// index tells only where the next one begins, so there the segment is walked.
func (l *Log) cutPlace(s *snapshot, x *extent, to protocol.Offset) (place, error) {
	if !x.sparse {
		return l.locate(s, x, to)
	}
	return l.walk(s, x, place{next: x.base}, func(_ int64, h header) bool { return h.last >= to })
}

// remeasure finds the greatest timestamp of x anew.
func (l *Log) remeasure(s *snapshot, x *extent) error {
	x.maxTime, x.maxTimeBase = -1, x.base
	return l.eachHeader(s, x, func(_ int64, h header) error {
		if h.maxTime > x.maxTime {
			x.maxTime, x.maxTimeBase = h.maxTime, h.base
		}
		return nil
	})
}

// tailOf is what of the first n entries of x's index is not in full chunks.
func (l *Log) tailOf(s *snapshot, x *extent, n int64) ([]entry, error) {
	inFile := x.entries
	if s.isActive(x) {
		inFile -= int64(len(s.tail))
	}
	rest := n % chunkEntries
	if rest == 0 {
		return nil, nil
	}
	if s.isActive(x) && n > inFile {
		return slices.Clone(s.tail[:n-inFile]), nil
	}
	h, err := l.files.acquire(l.indexPath(x.segment))
	if err != nil {
		return nil, err
	}
	defer l.files.release(h)
	var c chunk
	if err := c.read(h, x.base, n/chunkEntries); err != nil {
		return nil, err
	}
	if int64(c.count) < rest {
		return nil, errIndex
	}
	return c.entriesOf(int(rest)), nil
}

// reset drops everything: the log goes on at end.
func (l *Log) reset(start, end protocol.Offset) error {
	return l.cut(start, []extent{newExtent(end)}, nil, nil)
}

// cut makes the log what is given, in two steps, so that a crash leaves either
// the old log or the new one: a manifest that says what is to stay and that the
// rest is to go, and then, by whoever gets to it, the deed.
func (l *Log) cut(start protocol.Offset, segments []extent, e epochs, tail []entry) error {
	w := &l.w
	end := segments[len(segments)-1].next
	m := &manifest{cut: true, start: start, compacted: min(w.state.compacted, end), segments: segments, epochs: e}
	if err := w.closeFiles(); err != nil {
		return err
	}
	if err := l.putManifest(m); err != nil {
		return err
	}
	w.clean = false
	w.state.start, w.state.epochs, w.state.compacted = start, e, m.compacted
	w.state.setSealed(segments[:len(segments)-1])
	w.state.generation++
	l.setActive(*m.active(), tail)
	l.publish()
	return l.applyCut(m)
}

// applyCut drops what is on disk and not in the manifest, and writes the
// manifest without the mark.
func (l *Log) applyCut(m *manifest) error {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !m.keeps(name) {
			if err := l.remove(name); err != nil {
				return err
			}
		}
	}
	if n := len(m.segments) - 2; n >= 0 { // it was the active one, or it was cut
		if err := l.shrinkActive(&m.segments[n]); err != nil {
			return err
		}
	}
	if err := l.shrinkActive(m.active()); err != nil {
		return err
	}
	if err := syncDir(l.fs, l.dir); err != nil {
		return err
	}
	m.cut = false
	return l.putManifest(m)
}

// keeps reports whether a file stays when what is not in the manifest goes.
func (m *manifest) keeps(name string) bool {
	for _, suffix := range []string{logSuffix, indexSuffix} {
		if base, edition, ok := parseName(name, suffix); ok {
			return m.has(base, edition)
		}
	}
	if _, at, ok := parseCheckpointName(name); ok {
		return at <= m.active().next
	}
	return true
}

func (m *manifest) has(base protocol.Offset, edition uint32) bool {
	return slices.ContainsFunc(m.segments, func(x extent) bool { return x.base == base && x.edition == edition })
}

// shrinkActive makes the file of a segment that is or was the active one exactly
// as long as its batches are, and makes it exist.
func (l *Log) shrinkActive(x *extent) error {
	path := l.logPath(x.segment)
	size, err := fileSize(l.fs, path)
	switch {
	case notExist(err) && x.size == 0:
		f, err := l.fs.Create(path, diskWrites)
		if err != nil {
			return err
		}
		return f.Close()
	case notExist(err):
		return corrupt(path, 0, x.base, "the active segment is missing")
	case err != nil || size <= x.size:
		return err
	}
	// Afterwards: a reader may have opened the old file until then.
	defer l.files.forget(path)
	return shrink(l.fs, path, x.size)
}

// remove takes a file away.
func (l *Log) remove(name string) error {
	// Afterwards: a reader may have opened the old file until then, and another
	// may get its name.
	defer l.files.forget(l.path(name))
	if err := l.fs.Remove(l.path(name)); !notExist(err) {
		return err
	}
	return nil
}

// eachHeader calls fn for every batch of x, with its position.
func (l *Log) eachHeader(s *snapshot, x *extent, fn func(pos int64, h header) error) error {
	if x.size == 0 {
		return nil
	}
	f, err := l.files.acquire(l.logPath(x.segment))
	if err != nil {
		return err
	}
	defer l.files.release(f)
	scan := headers{
		window: newWindow(f, x.size, passBuffers), path: f.path, next: x.base, sparse: x.sparse, epochs: s.epochs,
	}
	defer scan.release()
	for {
		h, err := scan.peek(x.next)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = fn(scan.pos, h)
		}
		if err != nil {
			return err
		}
		scan.skip(h)
	}
}
