package segment

import (
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

const (
	// gatherBytes bounds the buffer in which small batches become one write.
	gatherBytes = 256 << 10
	// directBytes: a batch of this size is written from where it lies.
	directBytes = 64 << 10
)

var gatherBuffers = sync.Pool{New: func() any { b := make([]byte, 0, gatherBytes); return &b }}

// Append writes batches that were placed: each base offset is at or above the
// end of what is before it, and epochs never fall. They become one write where
// they fit a buffer, and are shown to readers together, before any Sync.
// nowMs decides when a segment is old enough to be closed.
//
// Batches out of order are refused and nothing is written, and so it is with
// ErrNoDescriptor, see Ready; any other error is final.
func (l *Log) Append(nowMs int64, batches ...record.Batch) error {
	if err := l.usable(); err != nil {
		return err
	}
	if err := l.checkOrder(batches); err != nil || len(batches) == 0 {
		return err
	}
	if err := l.Ready(); err != nil {
		return err
	}
	if err := l.write(nowMs, batches); err != nil {
		return l.fail("append", err)
	}
	l.publish()
	return nil
}

func (l *Log) checkOrder(batches []record.Batch) error {
	next, epoch := l.w.state.end(), l.w.state.epochs.latest()
	for i, b := range batches {
		switch {
		case b.BaseOffset() < next:
			return fmt.Errorf("segment: %s: batch %d starts at offset %d, below the end %d", l.dir, i, b.BaseOffset(), next)
		case b.LeaderEpoch() < epoch:
			return fmt.Errorf("segment: %s: batch %d is of leader epoch %d, below %d", l.dir, i, b.LeaderEpoch(), epoch)
		}
		next, epoch = b.NextOffset(), b.LeaderEpoch()
	}
	return nil
}

// Ready makes the log ready for Append, which then opens nothing for small
// batches. While there is no descriptor for its file the error is
// ErrNoDescriptor, at once and before anything was done: the owner asks again
// later, and takes nothing in meanwhile. Any other error is final.
func (l *Log) Ready() error {
	if err := l.usable(); err != nil || l.w.file != nil {
		return err
	}
	err := l.probeDescriptor()
	if err == nil {
		err = l.begin(l.impatient)
	}
	if ShortOfDescriptors(err) {
		return fmt.Errorf("%w: %w", ErrNoDescriptor, err)
	}
	return l.fail("begin to write", err)
}

// begin opens the active file at the first write. Where there is a segment there
// is a manifest.
func (l *Log) begin(fs vfs.FS) error {
	w := &l.w
	if w.file != nil {
		return nil
	}
	if w.fresh {
		if err := l.writeManifest(); err != nil {
			return err
		}
	}
	f, err := fs.OpenReadWrite(l.logPath(w.state.active.segment), diskWrites)
	if err != nil {
		return err
	}
	if w.clean { // the file may be new
		if err := syncDir(l.fs, l.dir); err != nil {
			_ = f.Close() // nothing was written
			return err
		}
	}
	w.file = f
	w.firstTime = firstTime(f, w.state.active.size)
	return nil
}

// probeDescriptor reports whether a file can be opened just now. What is begun
// then opens some, one after the other, and waits where that takes a moment.
func (l *Log) probeDescriptor() error {
	d, err := l.impatient.OpenDir(l.dir)
	if err != nil {
		return err
	}
	return d.Close()
}

// firstTime is the max timestamp of a segment's first batch, or -1. Damage is
// for those to report who read the batch.
func firstTime(f vfs.File, size int64) int64 {
	var b [record.HeaderSize]byte
	if size < int64(len(b)) {
		return -1
	}
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return -1
	}
	h, ok := readHeader(b[:])
	if !ok {
		return -1
	}
	return h.maxTime
}

// write writes all of the batches, in as few writes as the buffer allows.
func (l *Log) write(nowMs int64, batches []record.Batch) error {
	if err := l.fillAhead(batches); err != nil {
		return err
	}
	buf := gatherBuffers.Get().(*[]byte)
	defer gatherBuffers.Put(buf)
	g := writeBuffer{l: l, buf: (*buf)[:0]}
	l.w.state.groupOffset, l.w.state.groupPos = l.w.state.end(), l.w.state.active.size
	for _, b := range batches {
		if err := l.prepare(nowMs, b, &g); err != nil {
			return err
		}
		l.w.state.recent = l.w.state.recent.after(b, l.w.state.active.size, l.files)
		if err := l.recordBatch(nowMs, headerOf(b)); err != nil {
			return err
		}
		if err := g.appendBatch(b.Bytes(), len(batches) == 1); err != nil {
			return err
		}
	}
	return g.flush()
}

// prepare makes the log ready for b: a segment with room, and a manifest that
// expects b's leader epoch and, if b leaves one, a gap. An empty segment is
// given up for one that begins where b does.
func (l *Log) prepare(nowMs int64, b record.Batch, g *writeBuffer) error {
	w := &l.w
	end := w.state.end()
	gap := b.BaseOffset() > end
	// A segment is named by its first offset: behind a gap an empty one has the wrong name.
	if gap && w.state.active.size == 0 || l.dueToRoll(nowMs, b) {
		if err := g.flush(); err != nil {
			return err
		}
		if err := l.roll(b.BaseOffset()); err != nil {
			return err
		}
		gap = false
	}
	// The manifest is right already, as nearly always.
	if !w.clean && b.LeaderEpoch() <= w.state.epochs.latest() && (!gap || w.state.active.sparse) {
		return nil
	}
	if err := g.flush(); err != nil {
		return err
	}
	// Before the batch is written, so that no file ever holds what the manifest cannot explain.
	w.clean = false
	w.state.active.sparse = w.state.active.sparse || gap
	w.state.epochs = w.state.epochs.with(b.LeaderEpoch(), epochStartOf(b, end, w.state.epochs))
	return l.persist()
}

// epochStartOf is where b's leader epoch begins, if it is new: behind a gap,
// where the gap does. The offsets in it were compacted away elsewhere, and the
// epoch may have begun with any of them. A replica that asks where the epoch
// before it ended must not keep what it wrote there on its own.
func epochStartOf(b record.Batch, end protocol.Offset, known epochs) protocol.Offset {
	if len(known) == 0 {
		return b.BaseOffset()
	}
	return end
}

// writeBuffer is batches on their way to the file.
type writeBuffer struct {
	l   *Log
	buf []byte
}

// appendBatch takes a batch; a large one, or one that is alone, is written from where
// it lies.
func (g *writeBuffer) appendBatch(b []byte, alone bool) error {
	direct := alone || len(b) >= directBytes
	if direct || len(g.buf)+len(b) > cap(g.buf) {
		if err := g.flush(); err != nil {
			return err
		}
	}
	if direct {
		return g.l.writeBytes(b)
	}
	g.buf = append(g.buf, b...)
	return nil
}

func (g *writeBuffer) flush() error {
	err := g.l.writeBytes(g.buf)
	g.buf = g.buf[:0]
	return err
}

// writeBytes writes b behind what was written. WriteAt, unlike Write, leaves
// its argument alone, so that a caller's batch may be given to it.
func (l *Log) writeBytes(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	w := &l.w
	if _, err := w.file.WriteAt(b, w.written); err != nil {
		return err
	}
	w.written += int64(len(b))
	w.filled = max(w.filled, w.written)
	w.sinceSync += int64(len(b))
	return nil
}
