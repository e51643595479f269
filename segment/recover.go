package segment

import (
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// What a log that was not closed may look like, and what is made of it.
//
// Up to the recovery point everything was synced, and the manifest says how
// much that is. Behind it lie batches of which some were synced; nothing on
// disk says which. Their offsets leave no gap, unless the manifest says that
// this segment may have gaps, and their leader epochs are in the manifest: a
// first gap and a new epoch are written there before the batch that brings them.
// A power cut may have lost any of the sectors that were written since the last
// sync, in any order, so that an unwritten sector can be followed by whole
// batches of the same group. An unwritten sector reads as zeros, for it was never
// anything else: zeros are written ahead, or the file ended before it, and a torn
// tail is erased before anything is written over it.
//
// So the first batch that is not whole and in order is one of two things:
//
//   - torn, if the file ends before the batch does, or if a sector of it is all
//     zeros. It was never acknowledged, nor was what follows it; the log ends
//     before it.
//   - damaged, if all of it is there and it is wrong. What follows it may have
//     been acknowledged. The log is refused, and nothing is changed.
//
// Two kinds of damage would look torn. A length field that became greater makes
// a whole batch seem to reach beyond the file, so a batch whose CRC is right for
// another length than it claims is damaged. And a batch that has sectors of
// zeros by its nature cannot be told from a torn one once another part of it is
// damaged: that much is given up, and only behind the recovery point, after a
// crash. The same goes for a base offset that is turned into zeros where it is
// all that the batch has in its first sector.
//
// After a clean close nothing lies behind the recovery point, and all damage is
// damage. It is found when it is read.

// recover reads the active file from the recovery point to its end and takes
// over every batch that is whole and in order.
func (l *Log) recover(size int64) error {
	w := &l.w
	path := l.logPath(w.state.active.segment)
	f, err := l.files.acquire(path)
	if err != nil {
		return err
	}
	defer l.files.release(f)
	t := tail{window: newWindow(f, size, passBuffers), path: path, sparse: w.state.active.sparse}
	defer t.release()
	// Below the recovery point nothing is read: it was synced, and damage there is
	// found by whoever reads it.
	from := w.state.active.size
	w.state.active.trustedFrom = from
	for w.state.active.size < size {
		h, err := t.nextHeader(w.state.active.size, w.state.end(), w.state.epochs)
		if err != nil {
			return err
		}
		if h.size == 0 {
			break
		}
		// Time 0: when the batch was written is not known any more.
		if err := l.recordBatch(0, h); err != nil {
			return err
		}
	}
	end, err := t.lastByte(w.state.active.size)
	if err != nil {
		return err
	}
	// The manifest announces an epoch before its first batch is written. If that
	// batch is lost, so is the epoch.
	announced := len(w.state.epochs)
	w.state.epochs = w.state.epochs.before(w.state.end())
	l.recovered.ScannedBytes = size - from
	l.recovered.TruncatedBytes = end - w.state.active.size
	return l.settleTail(size, len(w.state.epochs) < announced)
}

// settleTail makes the recovered batches durable, for the process that wrote
// them may have died before it synced, and erases a torn tail: bytes that are
// not zeros must never lie where batches will be written. A manifest that expects
// an epoch which was lost must not outlive that.
func (l *Log) settleTail(size int64, epochLost bool) error {
	w := &l.w
	x := w.state.active
	w.openedMs = 0
	path := l.logPath(x.segment)
	if l.recovered.TruncatedBytes > 0 {
		if err := shrink(l.fs, path, x.size); err != nil {
			return err
		}
		l.files.forget(path)
		size = x.size
	}
	w.written, w.filled = x.size, size
	// What was recovered may be in the page cache only, and readers are about to see
	// it: it must not vanish in the next crash.
	if x.size > w.synced {
		f, err := l.fs.OpenReadWrite(path, diskWrites)
		if err != nil {
			return err
		}
		w.file = f
		if err := l.syncData(); err != nil {
			return err
		}
	}
	w.state.groupOffset, w.state.groupPos = x.next, x.size
	if epochLost || l.recovered.TruncatedBytes > 0 || x.size-w.recoveryPoint >= recoveryBytes/16 {
		if err := l.persist(); err != nil {
			return err
		}
	}
	return l.closeWriterFiles()
}

// closeWriterFiles closes the writer's files until the first append.
func (l *Log) closeWriterFiles() error {
	if err := l.syncAll(); err != nil {
		return err
	}
	return l.w.closeFiles()
}

// tail reads what is behind the recovery point.
type tail struct {
	window
	path   string
	sparse bool // batches may leave gaps
}

// nextHeader is the header of the batch at pos if it is whole and in order. The zero
// header means that the log ends here.
func (t *tail) nextHeader(pos int64, next protocol.Offset, e epochs) (header, error) {
	raw, err := t.batch(pos)
	if err != nil {
		return header{}, err
	}
	b, _, err := record.View(raw)
	var reason string
	switch {
	case err != nil:
		reason = err.Error()
	case b.BaseOffset() != next && !(t.sparse && b.BaseOffset() > next):
		reason = fmt.Sprintf("it begins at offset %d", b.BaseOffset())
	case b.LeaderEpoch() != e.at(b.BaseOffset()):
		reason = fmt.Sprintf("it is of leader epoch %d, not %d", b.LeaderEpoch(), e.at(b.BaseOffset()))
	default:
		return headerOf(b), nil
	}
	torn, err := t.torn(pos, next, b)
	if err != nil || torn {
		return header{}, err
	}
	return header{}, corrupt(t.path, pos, next,
		"a batch is damaged behind the recovery point, but was not torn by a crash: %s", reason)
}

// torn decides whether the bytes at pos, which are no good batch, are what a
// crash left of one that was being written. whole is the batch if it is good
// in itself and only out of order; then no more than its first bytes, which
// its CRC does not cover, can be missing.
func (t *tail) torn(pos int64, next protocol.Offset, whole record.Batch) (bool, error) {
	// The base offset and length are not covered by the CRC, so a whole batch can
	// lack them alone: that is looked at first.
	torn, err := t.lacksHead(pos, next)
	if err != nil || torn || !whole.IsZero() {
		return torn, err
	}
	head, err := t.at(pos, record.HeaderSize)
	if err != nil {
		return false, err
	}
	// A length that makes no sense says nothing of the batch's end: then only its
	// header is searched for a lost sector.
	size, known := record.PeekSize(head)
	if !known {
		size = record.HeaderSize
	}
	// Before the length is believed: a greater one would make a whole, acknowledged
	// batch look torn, and it would be erased.
	if h, ok := readHeader(head); ok {
		wrong, err := t.lengthIsWrong(pos, h)
		if err != nil || wrong {
			return false, err
		}
	}
	if pos+int64(size) > t.size {
		return true, nil
	}
	return t.lacksSector(pos, pos+int64(size))
}

// lacksHead reports whether the batch's part of the sector in which it begins,
// which it shares with the batch before it, reads as if it was never written.
func (t *tail) lacksHead(pos int64, next protocol.Offset) (bool, error) {
	b, err := t.at(pos, nextSector(pos)-pos)
	if err != nil {
		return false, err
	}
	return len(b) > 0 && isZero(b) && !zeroWhenWritten(len(b), next), nil
}

// lacksSector reports whether a whole sector between pos and end does.
func (t *tail) lacksSector(pos, end int64) (bool, error) {
	for at := nextSector(pos); at < end; at += sectorSize {
		b, err := t.at(at, sectorSize)
		if err != nil {
			return false, err
		}
		if isZero(b) {
			return true, nil
		}
	}
	return false, nil
}

func nextSector(pos int64) int64 { return (pos + sectorSize - 1) / sectorSize * sectorSize }

// zeroWhenWritten reports whether the first n bytes of a batch at offset next are
// zeros when they are written: they hold the high bytes of the base offset
// and of the length.
func zeroWhenWritten(n int, next protocol.Offset) bool {
	b := appendInt64(nil, int64(next))
	return n < len(b)+4 && isZero(b[:min(n, len(b))])
}

// lengthIsWrong reports whether the batch at pos is whole but for its length
// field: its CRC is right if it ends where the next batch begins, or where the
// file's bytes turn into zeros.
func (t *tail) lengthIsWrong(pos int64, h header) (bool, error) {
	last, err := t.lastByte(pos)
	if err != nil {
		return false, err
	}
	b, err := t.at(pos, min(last-pos+lengthSlack, lengthSearch))
	if err != nil {
		return false, err
	}
	return endsElsewhere(b, last-pos, h.next()), nil
}

// lastByte is the position behind the file's last byte that is not zero, or
// from.
func (t *tail) lastByte(from int64) (int64, error) {
	last := from
	for at := from; at < t.size; at += lookBytes {
		b, err := t.at(at, lookBytes)
		if err != nil {
			return 0, err
		}
		if n := len(trimZeros(b)); n > 0 {
			last = at + int64(n)
		}
	}
	return last, nil
}
