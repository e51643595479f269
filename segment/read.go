package segment

import (
	"errors"
	"io/fs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Read finds whole batches, from the one with the offset from, or the first
// one behind it, on: all of them below the bound, of one segment, and no more
// than maxBytes together, but for the first one if atLeastOne is set. Reading
// at the end gives an empty range; outside of the log, ErrOffsetOutOfRange.
//
// What was appended last may come from memory. Any other range holds a file open
// until it is closed.
func (l *Log) Read(from, below protocol.Offset, maxBytes int, atLeastOne bool) (Range, error) {
	if s := l.snap.Load(); from >= s.start && !l.closed.Load() {
		if r, ok := s.recent.find(s, from, below, maxBytes, atLeastOne); ok {
			return r, nil
		}
	}
	return l.readFile(from, below, maxBytes, atLeastOne)
}

// readFile is Read of what lies in files.
func (l *Log) readFile(from, below protocol.Offset, maxBytes int, atLeastOne bool) (Range, error) {
	for {
		if l.closed.Load() {
			return Range{}, ErrClosed
		}
		s := l.snap.Load()
		if from < s.start || from > s.end() {
			return Range{}, ErrOffsetOutOfRange
		}
		r, err := l.read(s, from, min(below, s.end()), int64(maxBytes), atLeastOne)
		if err == nil || !l.changed(s) {
			return r, err
		}
	}
}

// changed reports whether parts of the log that s shows may be gone, so that
// an error is none of theirs.
func (l *Log) changed(s *snapshot) bool { return l.snap.Load().generation != s.generation }

func (l *Log) read(s *snapshot, from, below protocol.Offset, maxBytes int64, atLeastOne bool) (Range, error) {
	if from >= below {
		return Range{next: from}, nil
	}
	x := s.extent(s.find(from))
	first, err := l.locate(s, x, from)
	if err != nil {
		return Range{}, err
	}
	bound, err := l.boundOf(s, x, below)
	if err != nil {
		return Range{}, err
	}
	// As much as is asked for, but whole batches, and at least one where that is wanted.
	last := bound
	switch size := bound.pos - first.pos; {
	case size <= 0:
		return Range{next: from}, l.proveEmpty(s, x, first, below)
	case atLeastOne && first.head.size > maxBytes:
		last = place{pos: first.pos + first.head.size, next: first.head.next()}
	case size > maxBytes:
		if last, err = l.lastWithin(s, x, first, first.pos+maxBytes); err != nil {
			return Range{}, err
		}
	}
	if last.pos == first.pos {
		return Range{next: from}, nil
	}
	return l.open(s, x, first, last)
}

// boundOf is where the batches of x end that lie wholly below an offset.
func (l *Log) boundOf(s *snapshot, x *extent, below protocol.Offset) (place, error) {
	if below >= x.next {
		return place{pos: x.size, next: x.next}, nil
	}
	return l.locate(s, x, below)
}

// lastWithin is the last place between batches, from a known one on, that is
// not behind pos.
func (l *Log) lastWithin(s *snapshot, x *extent, from place, pos int64) (place, error) {
	guess := float64(pos) / float64(x.size+1)
	e, _, err := l.lookup(s, x, guess, func(e entry) bool { return e.pos <= pos })
	if err != nil {
		return place{}, err
	}
	if near := e.place(); near.pos > from.pos {
		from = near
	}
	return l.walk(s, x, from, func(at int64, h header) bool { return at+h.size > pos })
}

// proveEmpty makes sure that a batch which seems to reach to the bound and
// beyond does: a reader that is told nothing is there would wait for ever.
func (l *Log) proveEmpty(s *snapshot, x *extent, at place, below protocol.Offset) error {
	if at.head.size == 0 || at.head.last < below {
		return nil
	}
	r, err := l.open(s, x, at, place{pos: at.pos + at.head.size, next: at.head.next()})
	if err != nil {
		return err
	}
	defer r.Close()
	return r.Verify()
}

func (l *Log) open(s *snapshot, x *extent, first, last place) (Range, error) {
	f, err := l.files.acquire(l.logPath(x.segment))
	if err != nil {
		return Range{}, err
	}
	return Range{log: l, snap: s, of: x, file: f, pos: first.pos, end: last.pos, first: first.next, next: last.next}, nil
}

// notExist reports whether err means that a file is not there.
func notExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Scan calls fn for every batch with an offset at or above from that lies
// wholly below the bound, in order, each as its file has it and checked. The batch is good for the
// call only. An error of fn ends the scan and is returned.
func (l *Log) Scan(from, below protocol.Offset, fn func(record.Batch) error) error {
	for from < below {
		r, err := l.readFile(from, below, segmentBytesMax, true)
		if err != nil {
			return err
		}
		if r.Len() == 0 {
			return nil
		}
		err = r.each(fn)
		r.Close()
		if err != nil {
			return err
		}
		from = r.NextOffset()
	}
	return nil
}
