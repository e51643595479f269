package segment

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// rewriting is one segment of the next edition on its way to the disk, made of
// a group of older ones. Nothing knows of its files before Adopt.
type rewriting struct {
	log   *Log
	every int64 // bytes between two entries of the index
	of    []extent
	out   extent // without batches: nothing was left
	same  bool   // all of it has stayed so far, of one segment: nothing is written yet
	file  vfs.File
	index vfs.File
	buf   []byte
	chunk []entry // not written yet

	indexedTo int64
	flushed   int64 // bytes in the file
}

// syncEvery bounds what a sync at the end has to write, and what the disk
// takes in one go, before which others' syncs would have to wait.
const syncEvery = 2 << 20

// rewrite makes one segment of a group.
func (c *Compaction) rewrite(ctx context.Context, group []extent) (*rewriting, error) {
	snap := c.log.snap.Load()
	if snap.placeOf(group) < 0 {
		return nil, ErrCompactionStale
	}
	c.snap.generation = snap.generation // as far as this group goes, nothing has changed
	c.judge.held = false
	r, err := c.begin(group)
	if err != nil {
		return nil, c.stale(err)
	}
	for i := range group {
		if err = c.rewriteSegment(ctx, r, &group[i]); err != nil {
			break
		}
	}
	r.out.held = c.judge.held || group[0].held && group[0].base < c.from // not looked at again
	if err == nil {
		err = r.finish()
	}
	if err != nil {
		return nil, c.stale(errors.Join(err, r.discard()))
	}
	c.stats.BytesWritten += r.flushed
	c.stats.SegmentsIn += len(group)
	if r.out.size > 0 {
		c.stats.SegmentsOut++
	}
	return r, nil
}

// placeOf is where the group lies in the log as it is now, or -1.
func (s *snapshot) placeOf(group []extent) int {
	for i := 0; i+len(group) <= len(s.sealed); i++ {
		if s.sealed[i].segment != group[0].segment {
			continue
		}
		for k := range group {
			if s.sealed[i+k] != group[k] {
				return -1
			}
		}
		return i
	}
	return -1
}

// begin opens the files of the next edition.
func (c *Compaction) begin(group []extent) (*rewriting, error) {
	l := c.log
	out := newExtent(group[0].base)
	out.writtenMs = 0
	for i := range group {
		written, err := l.writtenMs(&group[i])
		if err != nil {
			return nil, err
		}
		out.edition = max(out.edition, group[i].edition+1)
		out.writtenMs = max(out.writtenMs, written)
	}
	r := &rewriting{
		log: l, every: c.cfg.IndexIntervalBytes, of: group, out: out, same: len(group) == 1,
		buf: make([]byte, 0, gatherBytes),
	}
	var err error
	if r.file, err = l.fs.Create(l.logPath(out.segment), diskWrites); err != nil {
		return nil, err
	}
	if r.index, err = l.fs.Create(l.indexPath(out.segment), diskWrites); err != nil {
		return nil, errors.Join(err, r.discard())
	}
	return r, nil
}

// rewriteSegment appends what is left of one segment.
func (c *Compaction) rewriteSegment(ctx context.Context, r *rewriting, x *extent) error {
	from, err := c.log.open(&c.snap, x, place{next: x.base}, place{pos: x.size, next: x.next})
	if err != nil {
		return err
	}
	defer from.Close()
	written, err := c.log.writtenMs(x)
	if err != nil {
		return err
	}
	keepMs, bounded := c.o.LockIDRetentionMs.Get()
	idsRemembered := !bounded || c.o.NowMs-written < keepMs
	paced := pacer{c: c}
	err = from.each(func(b record.Batch) error {
		left, err := c.judge.filterBatch(b, idsRemembered)
		if err != nil {
			return err
		}
		// A batch that is left whole is returned as it is, in the same bytes. As long as
		// all are, nothing is written: most old segments come out as they were.
		if left.IsZero() || &left.Bytes()[0] != &b.Bytes()[0] {
			if err := r.startWriting(ctx, from.file, &paced); err != nil {
				return err
			}
		}
		c.stats.BytesRead += int64(b.Size())
		if err := r.appendBatch(left); err != nil {
			return err
		}
		// Nothing has changed in this segment so far: its file may serve as it is.
		if r.same {
			return paced.addBytes(ctx, b.Size())
		}
		return paced.addBytes(ctx, b.Size()+left.Size())
	})
	if err != nil {
		return err
	}
	return paced.flush(ctx)
}

// startWriting ends the time in which nothing had to be written, because all was as
// in the old segment: what was passed is copied from there.
func (r *rewriting) startWriting(ctx context.Context, old vfs.File, p *pacer) error {
	if !r.same {
		return nil
	}
	r.same = false
	b := r.buf[:cap(r.buf)]
	for pos := int64(0); pos < r.out.size; pos += int64(len(b)) {
		b = b[:min(int64(len(b)), r.out.size-pos)]
		if _, err := old.ReadAt(b, pos); err != nil {
			return err
		}
		if err := r.write(b); err != nil {
			return err
		}
		if err := p.addBytes(ctx, 2*len(b)); err != nil {
			return err
		}
	}
	return nil
}

// appendBatch appends a batch, or nothing if none was left.
func (r *rewriting) appendBatch(b record.Batch) error {
	if b.IsZero() {
		return nil
	}
	h, x := headerOf(b), &r.out
	if x.size+h.size > segmentBytesMax {
		return fmt.Errorf("segment at offset %d does not fit a file any more", x.base)
	}
	// The index entry names the place where the batch will stand, so it comes before the size moves.
	if err := r.noteEntry(h); err != nil {
		return err
	}
	x.sparse = x.sparse || h.base != x.next
	if h.maxTime > x.maxTime {
		x.maxTime, x.maxTimeBase = h.maxTime, h.base
	}
	x.size += h.size
	x.next = h.next()
	if r.same {
		return nil
	}
	// A large batch is not copied into the buffer, but what waits there goes before it.
	direct := b.Size() >= directBytes
	if direct || len(r.buf)+b.Size() > cap(r.buf) {
		if err := r.flush(); err != nil {
			return err
		}
	}
	if direct {
		return r.write(b.Bytes())
	}
	r.buf = append(r.buf, b.Bytes()...)
	return nil
}

func (r *rewriting) flush() error {
	err := r.write(r.buf)
	r.buf = r.buf[:0]
	return err
}

func (r *rewriting) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := r.file.Write(b); err != nil {
		return err
	}
	before := r.flushed / syncEvery
	r.flushed += int64(len(b))
	if r.flushed/syncEvery == before {
		return nil
	}
	_, err := r.file.SyncTo(r.flushed)
	return err
}

// noteEntry adds the index's entry for the batch that is to come, if it is due.
func (r *rewriting) noteEntry(h header) error {
	x := &r.out
	if x.size-r.indexedTo < r.every {
		return nil
	}
	r.indexedTo = x.size
	r.chunk = append(r.chunk, entry{offset: h.base, pos: x.size, maxTime: x.maxTime})
	x.entries++
	if len(r.chunk) < chunkEntries {
		return nil
	}
	return r.flushChunk()
}

func (r *rewriting) flushChunk() error {
	if len(r.chunk) == 0 {
		return nil
	}
	n := (r.out.entries - 1) / chunkEntries
	_, err := r.index.Write(encodeChunk(r.out.base, n, r.chunk))
	r.chunk = r.chunk[:0]
	return err
}

// finish makes the files durable, names included, or gives them up if there is
// nothing in them that the old ones had not.
func (r *rewriting) finish() error {
	if r.same || r.out.size == 0 {
		return r.discard()
	}
	if err := errors.Join(r.flush(), r.flushChunk()); err != nil {
		return err
	}
	for _, f := range []*vfs.File{&r.file, &r.index} {
		if err := (*f).Sync(); err != nil {
			return err
		}
		if err := closeFile(f); err != nil {
			return err
		}
	}
	return syncDir(r.log.fs, r.log.dir)
}

// discard removes the files.
func (r *rewriting) discard() error {
	err := errors.Join(closeFile(&r.file), closeFile(&r.index))
	return errors.Join(err, r.log.remove(logName(r.out.segment)), r.log.remove(indexName(r.out.segment)))
}
