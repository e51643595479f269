package segment

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// dueToRoll reports whether the active segment is to be closed before b: it
// has no room, or spans too much time, by the batches' own clock if they have
// one and by ours if not, as in Kafka.
func (l *Log) dueToRoll(nowMs int64, b record.Batch) bool {
	w := &l.w
	x := &w.state.active
	switch {
	case x.size == 0:
		return false
	case x.size+int64(b.Size()) > w.cfg.SegmentBytes:
		return true
	case w.firstTime >= 0 && b.MaxTimestamp() >= 0:
		return b.MaxTimestamp()-w.firstTime > w.cfg.SegmentMs
	default:
		return w.openedMs > 0 && nowMs-w.openedMs > w.cfg.SegmentMs
	}
}

// roll seals the active segment and begins the next one at base. A segment that
// is empty is given up for it.
//
// Everything of the old one is durable before the manifest says that it is
// sealed, and the new file's name before the manifest says that it is there:
// what Open finds of a file that the manifest does not know is empty.
func (l *Log) roll(base protocol.Offset) error {
	w := &l.w
	old := w.state.active
	if err := l.syncAll(); err != nil {
		return err
	}
	if err := w.closeFiles(); err != nil {
		return err
	}
	// Zeros were written ahead: a sealed segment ends with its last batch.
	if w.filled > w.written {
		if err := l.shrinkActive(&old); err != nil {
			return err
		}
	}
	if old.size > 0 {
		w.state.setSealed(append(w.state.sealed[:len(w.state.sealed):len(w.state.sealed)], old))
	}
	w.clean = false
	if err := l.startSegment(newExtent(base)); err != nil {
		return err
	}
	if err := l.writeManifest(); err != nil {
		return err
	}
	// An empty one of the same name was replaced by the new.
	if old.size > 0 || old.base == base {
		return nil
	}
	return l.remove(logName(old.segment))
}

// startSegment makes an empty file and the active segment of it.
func (l *Log) startSegment(x extent) error {
	f, err := l.fs.Create(l.logPath(x.segment), diskWrites)
	if err != nil {
		return err
	}
	if err := syncDir(l.fs, l.dir); err != nil {
		_ = f.Close()
		return err
	}
	// Only a file that was opened for both may be written at a position.
	if err := f.Close(); err != nil {
		return err
	}
	l.setActive(x, nil)
	l.w.file, err = l.fs.OpenReadWrite(l.logPath(x.segment), diskWrites)
	return err
}

// setActive makes x, of which the whole file is batches and on disk, the
// segment to write to.
func (l *Log) setActive(x extent, tail []entry) {
	w := &l.w
	w.state.active, w.state.tail = x, tail
	w.state.groupOffset, w.state.groupPos, w.state.recent = x.next, x.size, recent{}
	w.written, w.filled, w.synced, w.recoveryPoint = x.size, x.size, x.size, x.size
	w.firstTime, w.openedMs, w.sinceSync = -1, 0, 0
	w.indexedTo, w.tailWritten = 0, 0
	if len(tail) > 0 {
		w.indexedTo = tail[len(tail)-1].pos
	}
}
