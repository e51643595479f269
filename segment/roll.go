package segment

import "github.com/lockstep-log/lockstep/protocol/record"

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

// roll seals the active segment and begins the next one. Everything of the old
// one is durable before the manifest says that it is sealed, and the new file's
// name before the manifest says that it is there; the other way round, what
// Open finds behind the active segment is an empty file, left by a crash here.
func (l *Log) roll() error {
	w := &l.w
	old := w.state.active
	if err := l.syncData(); err != nil {
		return err
	}
	if err := l.writeTail(); err != nil {
		return err
	}
	if w.index != nil {
		if err := w.index.SyncData(); err != nil {
			return err
		}
	}
	if err := w.closeFiles(); err != nil {
		return err
	}
	if w.filled > w.written {
		if err := shrink(l.fs, l.logPath(old.segment), w.written); err != nil {
			return err
		}
		l.files.forget(l.logPath(old.segment))
	}
	w.state.setSealed(append(w.state.sealed[:len(w.state.sealed):len(w.state.sealed)], old))
	if err := l.startSegment(newExtent(old.next)); err != nil {
		return err
	}
	return l.writeManifest()
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
	w.state.groupOffset, w.state.groupPos = x.next, x.size
	w.written, w.filled, w.synced, w.recoveryPoint = x.size, x.size, x.size, x.size
	w.firstTime, w.openedMs, w.sinceSync = -1, 0, 0
	w.indexedTo, w.tailWritten = 0, 0
	if len(tail) > 0 {
		w.indexedTo = tail[len(tail)-1].pos
	}
}
