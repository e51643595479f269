package segment

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// What can be had of a log that Open refuses: the batches up to the first gap.
// OpenWhole reads them and changes nothing; Repair makes them the log, and puts
// the rest aside. Neither knows whether other replicas have more: its caller must
// not let such a log pass for one that has all.

// Whole is what of a log on disk is whole: the batches from its start up to the
// first that is missing or damaged.
type Whole struct {
	Start, End protocol.Offset
	// Known is an offset that the log had reached for certain: what is missing is
	// that much at least. It is End where nothing is.
	Known   protocol.Offset
	LeftOut []LeftOut // from the first gap on, in order; empty: all is whole
	Found   int       // segments that follow and that the manifest does not know

	m *manifest // of what is whole
}

// Right reports whether the log needs no repair.
func (w *Whole) Right() bool { return len(w.LeftOut) == 0 && w.Found == 0 }

// Aside reports whether anything of what is left out is there, to be put aside.
func (w *Whole) Aside() bool {
	return slices.ContainsFunc(w.LeftOut, func(x LeftOut) bool { return x.Bytes > 0 })
}

// LeftOut is a file, or the end of one, that is behind the first gap, or that is it.
type LeftOut struct {
	File  string          // within the log's directory
	Pos   int64           // from where on
	Bytes int64           // that are there; 0: none, or the file is missing
	First protocol.Offset // that it held
	Why   string
}

// Inspect finds what is whole. With every it reads each batch and checks it;
// otherwise it trusts the files that Open would trust. It changes nothing.
func Inspect(fs vfs.FS, dir string, every bool) (*Whole, error) {
	files := NewFiles(fs, 4)
	w, err := inspect(fs, dir, files, every)
	return w, errors.Join(err, files.Close())
}

func inspect(fs vfs.FS, dir string, files *Files, every bool) (*Whole, error) {
	l := &Log{fs: retryFS{fs, openPatience}, impatient: fs, dir: dir, files: files}
	names, err := l.fs.List(dir)
	if err != nil {
		return nil, err
	}
	m, err := l.readManifest(names)
	if err != nil {
		return nil, fmt.Errorf("segment: what %s was made of is not known: %w", dir, err)
	}
	s := &search{log: l, every: every, m: m, out: &Whole{Start: m.start, Known: m.active().next}}
	if err := s.findWhole(names); err != nil {
		return nil, err
	}
	return s.out, nil
}

// search goes through a log's segments until one is not whole.
type search struct {
	log   *Log
	every bool
	m     *manifest
	out   *Whole
	whole []extent
	gap   bool
}

func (s *search) findWhole(names []string) error {
	for i := range s.m.segments {
		x := &s.m.segments[i]
		if s.gap {
			s.leaveOut(x.segment, 0, "it is behind the gap")
			continue
		}
		var err error
		if i == len(s.m.segments)-1 {
			err = s.active(x)
		} else {
			err = s.sealed(x)
		}
		if err != nil {
			return err
		}
	}
	if err := s.later(names); err != nil {
		return err
	}
	return s.finish()
}

// sealed takes a segment that was finished: it has as many bytes as it had.
func (s *search) sealed(x *extent) error {
	size, err := fileSize(s.log.fs, s.log.logPath(x.segment))
	switch {
	case notExist(err):
		s.end(x, 0, "it is missing")
		return nil
	case err != nil:
		return err
		// What a sealed segment of the right size holds was synced, and is believed unless all is to be read.
	case size == x.size && !s.every:
		s.whole = append(s.whole, *x)
		return nil
	}
	got, why, err := s.read(x, min(size, x.size))
	switch {
	case err != nil:
		return err
		// A torn end is no damage in itself; here it is, for the bytes were there once.
	case got.size == x.size && size == x.size:
		s.whole = append(s.whole, *x)
		return nil
	case why == "" && size != x.size:
		why = fmt.Sprintf("it has %d bytes and had %d", size, x.size)
	case why == "":
		why = fmt.Sprintf("at byte %d: no batch is there", got.size)
	}
	s.addSegment(got)
	s.end(x, got.size, why)
	return nil
}

// active takes the segment that was written to. Behind the recovery point it may
// end anywhere.
func (s *search) active(x *extent) error {
	size, err := fileSize(s.log.fs, s.log.logPath(x.segment))
	switch {
	case notExist(err) && s.m.clean && x.size == 0:
		s.whole = append(s.whole, *x)
		return nil
	case notExist(err):
		s.end(x, 0, "it is missing")
		return nil
	case err != nil:
		return err
	}
	got, why, err := s.read(x, size)
	if err != nil {
		return err
	}
	s.addSegment(got)
	s.out.Known = max(s.out.Known, got.next)
	switch {
	// Before the recovery point a torn end is damage, behind it the end of what a power cut left.
	case got.size < x.size && why == "":
		s.end(x, got.size, fmt.Sprintf("it has %d bytes, and %d were on disk for certain", size, x.size))
	case why != "":
		s.end(x, got.size, why)
	}
	return nil
}

// later takes segments that the manifest does not know: it was copied, or put
// back, before they were made. Each must begin where the one before it ends.
func (s *search) later(names []string) error {
	var found []extent
	for _, name := range names {
		base, edition, ok := parseName(name, logSuffix)
		if ok && edition == 0 && base >= s.m.segments[0].base && base >= s.m.compacted && !s.m.has(base, 0) {
			found = append(found, newExtent(base))
		}
	}
	// A directory is listed in no order that counts.
	slices.SortFunc(found, func(a, b extent) int { return int(min(1, max(-1, a.base-b.base))) })
	for i := range found {
		x := &found[i]
		size, err := fileSize(s.log.fs, s.log.logPath(x.segment))
		if err != nil {
			return err
		}
		switch {
		case size == 0:
			continue
		case s.gap:
			s.leaveOut(x.segment, 0, "it is behind the gap")
			continue
			// It does not follow: what would lie between is nowhere.
		case x.base != s.next():
			s.end(x, 0, fmt.Sprintf("it begins at offset %d, and the log before it ends at %d", x.base, s.next()))
			continue
		}
		got, why, err := s.read(x, size)
		if err != nil {
			return err
		}
		s.addSegment(got)
		s.out.Found++
		s.out.Known = max(s.out.Known, got.next)
		if why != "" {
			s.end(x, got.size, why)
		}
	}
	return nil
}

// read goes through a segment's batches up to a size, and returns what of it is
// whole and, where it met damage rather than a torn end, what.
func (s *search) read(x *extent, size int64) (got extent, why string, err error) {
	got = *x
	got.next, got.size, got.maxTime, got.maxTimeBase, got.entries = x.base, 0, -1, x.base, 0
	f, err := s.log.files.acquire(s.log.logPath(x.segment))
	if err != nil {
		return got, "", err
	}
	defer s.log.files.release(f)
	t := tail{window: newWindow(f, size, passBuffers), path: logName(x.segment), sparse: x.sparse}
	defer t.release()
	for got.size < size {
		h, err := t.nextHeader(got.size, got.next, s.m.epochs)
		var damage *CorruptError
		switch {
		case errors.As(err, &damage):
			return got, fmt.Sprintf("at byte %d: %s", got.size, damage.Reason), nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return got, fmt.Sprintf("at byte %d: it cannot be read further", got.size), nil
		case err != nil:
			return got, "", err
		case h.size == 0:
			return got, "", nil
		}
		if h.maxTime > got.maxTime {
			got.maxTime, got.maxTimeBase = h.maxTime, h.base
		}
		got.size, got.next = got.size+h.size, h.next()
	}
	return got, "", nil
}

// next is where what is whole ends.
func (s *search) next() protocol.Offset {
	if len(s.whole) == 0 {
		return s.m.segments[0].base
	}
	return s.whole[len(s.whole)-1].next
}

// addSegment adds what is whole of a segment.
func (s *search) addSegment(x extent) {
	if x.size > 0 {
		s.whole = append(s.whole, x)
	}
}

// end notes the gap: it is in x, at pos.
func (s *search) end(x *extent, pos int64, why string) {
	s.gap = true
	s.leaveOut(x.segment, pos, why)
}

func (s *search) leaveOut(x *segment, pos int64, why string) {
	size, err := fileSize(s.log.fs, s.log.logPath(x))
	if err != nil {
		size, why = 0, "it is missing"
	}
	s.out.Known = max(s.out.Known, x.base)
	s.out.LeftOut = append(s.out.LeftOut, LeftOut{
		File: logName(x), Pos: pos, Bytes: max(0, size-pos), First: max(x.base, s.next()), Why: why,
	})
}

// finish makes a manifest of what is whole.
func (s *search) finish() error {
	end := s.next()
	if end < s.m.start || len(s.whole) == 0 { // all that may be read is missing
		end, s.whole = s.m.start, []extent{newExtent(s.m.start)}
	}
	s.out.End, s.out.Known = end, max(end, s.out.Known)
	s.out.m = &manifest{
		start: s.m.start, compacted: min(s.m.compacted, end), segments: s.whole, epochs: s.m.epochs.before(end),
	}
	if !s.gap {
		s.out.m.epochs, s.out.Known = s.m.epochs, end
	}
	return s.out.m.validate()
}

// OpenWhole opens what is whole of a log that Open refuses with err, to be read:
// whatever writes to it gets that error. It changes nothing on disk.
func OpenWhole(fs vfs.FS, dir string, cfg Config, err error) (*Log, *Whole, error) {
	l := &Log{fs: retryFS{fs, openPatience}, impatient: fs, dir: dir, files: cfg.Files}
	l.w.cfg = cfg.withDefaults()
	if l.files == nil {
		l.files, l.ownFiles = NewFiles(fs, 4), true
	}
	whole, inspected := inspect(fs, dir, l.files, false)
	if inspected != nil {
		return nil, nil, inspected
	}
	m := whole.m
	l.w.failed = err
	l.w.state.start, l.w.state.epochs, l.w.state.compacted = m.start, m.epochs, m.compacted
	for i := range m.segments {
		m.segments[i].trustedFrom = m.segments[i].size // nothing is: readers check
	}
	l.w.state.setSealed(m.segments[:len(m.segments)-1])
	x := *m.active()
	x.entries = 0 // the end of its index is not in memory
	l.setActive(x, nil)
	l.publish()
	return l, whole, nil
}

// Repair makes what is whole of a log the log, where not all of it is: every file
// and every end of a file behind the first gap is put into the directory aside,
// and the log ends there. Nothing is thrown away. The log must be in use nowhere.
// Whoever is interrupted may do it again: files go first, and the manifest last.
func Repair(fs vfs.FS, dir, aside string) (*Whole, error) {
	w, err := Inspect(fs, dir, true)
	if err != nil || w.Right() {
		return w, err
	}
	for _, left := range w.LeftOut {
		if err := putAside(fs, dir, aside, left); err != nil {
			return w, fmt.Errorf("segment: put %s aside: %w", left.File, err)
		}
	}
	if w.Aside() {
		if err := errors.Join(syncDir(fs, aside), syncDir(fs, dir)); err != nil {
			return w, err
		}
	}
	w.m.cut = true // the next Open makes the files fit
	if err := writeFile(fs, dir, manifestName, w.m.encode()); err != nil {
		return w, err
	}
	l, err := Open(fs, dir, Config{})
	if err != nil {
		return w, err
	}
	return w, l.Close()
}

// putAside moves a file, or copies one whose beginning stays.
func putAside(fs vfs.FS, dir, aside string, left LeftOut) error {
	from, to := fs.PathJoin(dir, left.File), fs.PathJoin(aside, left.File)
	_, err := fs.Stat(from)
	switch {
	case notExist(err):
		return nil
	case err != nil:
		return err
	}
	if err := fs.MkdirAll(aside, 0o755); err != nil {
		return err
	}
	if left.Pos > 0 {
		return vfs.Copy(fs, from, to)
	}
	return fs.Rename(from, to)
}
