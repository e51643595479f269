package segment

import (
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Range is whole batches that lie one behind the other in one file, or in the
// memory of what was last appended to it. It is a value with one owner, who closes
// it once; the zero Range is empty and need not be closed. The bytes stay readable
// when the log drops the segment.
type Range struct {
	log         *Log
	snap        *snapshot
	of          *extent
	file        *openFile
	pos, end    int64
	first, next protocol.Offset // base of the first batch; behind the last one
	memory      []byte          // the bytes, where the log had them at hand; then there is no file
}

// Len is the number of bytes.
func (r Range) Len() int { return int(r.end - r.pos) }

// NextOffset is where to read on. For an empty range it is where it began.
func (r Range) NextOffset() protocol.Offset { return r.next }

// AppendTo appends the bytes to dst. Every batch that comes from the file is
// checked; if one is damaged the error is a *CorruptError, and dst is returned
// as it was.
func (r Range) AppendTo(dst []byte) ([]byte, error) {
	if r.Len() == 0 {
		return dst, nil
	}
	if r.memory != nil {
		return append(dst, r.memory...), nil
	}
	n := len(dst)
	out := slices.Grow(dst, r.Len())[:n+r.Len()]
	if _, err := r.file.ReadAt(out[n:], r.pos); err != nil && err != io.EOF {
		return dst, r.blame(err)
	}
	p := r.proof()
	for b := out[n:]; len(b) > 0; {
		batch, err := p.step(b)
		if err != nil {
			return dst, r.blame(err)
		}
		b = b[batch.Size():]
	}
	if err := p.finish(); err != nil {
		return dst, r.blame(err)
	}
	return out, nil
}

// Verify checks every batch, as AppendTo does, and keeps none.
func (r Range) Verify() error {
	if r.memory != nil {
		return nil
	}
	return r.each(func(record.Batch) error { return nil })
}

// each calls fn for every batch of the file, once it is checked.
func (r Range) each(fn func(record.Batch) error) error {
	if r.Len() == 0 {
		return nil
	}
	w := newWindow(r.file, r.end, passBuffers)
	defer w.release()
	p := r.proof()
	for p.pos < r.end {
		b, err := w.batch(p.pos)
		if err != nil {
			return r.blame(err)
		}
		batch, err := p.step(b)
		if err != nil {
			return r.blame(err)
		}
		if err := fn(batch); err != nil {
			return err
		}
	}
	return r.blame(p.finish())
}

// File says where the bytes lie, for sendfile: n bytes at pos of a descriptor
// that is good until Close. It is vfs.InvalidFd if there is none. verified
// means that this process wrote the bytes or checked them since it started;
// if not, Verify or AppendTo come first.
func (r Range) File() (fd uintptr, pos, n int64, verified bool) {
	if r.file == nil {
		return vfs.InvalidFd, 0, 0, true
	}
	return r.file.Fd(), r.pos, r.end - r.pos, r.of.verified(r.pos, r.end)
}

// Close lets go of the file.
func (r Range) Close() {
	if r.file != nil {
		r.log.files.release(r.file)
	}
}

// blame decides whose fault an error is: bytes that the log cut off meanwhile
// may be anything.
func (r Range) blame(err error) error {
	if err != nil && r.log.changed(r.snap) {
		return ErrOffsetOutOfRange
	}
	return err
}

func (r Range) proof() proof {
	return proof{r: r, pos: r.pos, next: r.first}
}

// proof checks batches one behind the other: the CRC, and what it does not
// cover, the base offset and the leader epoch.
type proof struct {
	r    Range
	pos  int64
	next protocol.Offset
}

// step checks the batch at the head of b, which lies at pos.
func (p *proof) step(b []byte) (record.Batch, error) {
	path := p.r.file.path
	batch, n, err := record.View(b)
	if err != nil {
		return batch, corrupt(path, p.pos, p.next, "%v", err)
	}
	switch {
	case batch.BaseOffset() != p.next && !(p.r.of.sparse && batch.BaseOffset() > p.next):
		return batch, corrupt(path, p.pos, p.next, "batch begins at offset %d", batch.BaseOffset())
	case !p.r.snap.epochs.agrees(batch.LastOffset(), batch.LeaderEpoch()):
		return batch, corrupt(path, p.pos, p.next, "batch is of leader epoch %d", batch.LeaderEpoch())
	}
	p.pos, p.next = p.pos+int64(n), batch.NextOffset()
	return batch, nil
}

// finish notes that the range was checked.
func (p *proof) finish() error {
	if x := p.r.of; p.pos == x.size && p.next != x.next {
		return corrupt(p.r.file.path, p.pos, p.next, "the segment's batches should end at offset %d", x.next)
	}
	p.r.of.markVerified(p.r.pos, p.pos)
	return nil
}
