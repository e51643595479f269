package segment

import "github.com/cockroachdb/pebble/v2/vfs"

// recoveryBytes is how much is synced at most behind the recovery point before
// it is moved: what a crash makes Open read.
const recoveryBytes = 32 << 20

// Sync makes all that was appended durable. It moves the recovery point when
// much was written behind it. Any error is final.
func (l *Log) Sync() error {
	if err := l.usable(); err != nil {
		return err
	}
	if l.w.synced == l.w.written {
		return nil
	}
	if err := l.syncData(); err != nil {
		return l.fail("sync", err)
	}
	if l.w.synced-l.w.recoveryPoint < recoveryBytes {
		return nil
	}
	return l.Checkpoint()
}

func (l *Log) syncData() error {
	w := &l.w
	if w.file == nil || w.synced == w.written {
		return nil
	}
	if err := w.file.SyncData(); err != nil {
		return err
	}
	w.synced = w.written
	l.countSync()
	return nil
}

// Checkpoint syncs, and moves the recovery point to the end, so that a crash
// from here on makes Open read nothing. For owners of a log that fell idle.
func (l *Log) Checkpoint() error {
	if err := l.usable(); err != nil {
		return err
	}
	if l.w.recoveryPoint == l.w.written {
		return l.Sync()
	}
	return l.fail("checkpoint", l.persist())
}

// persist makes data, index and manifest durable, in this order.
func (l *Log) persist() error {
	if err := l.syncAll(); err != nil {
		return err
	}
	return l.writeManifest()
}

// syncAll makes the data and the index of the active segment durable.
func (l *Log) syncAll() error {
	if err := l.syncData(); err != nil {
		return err
	}
	if err := l.writeTail(); err != nil {
		return err
	}
	if l.w.index == nil {
		return nil
	}
	return l.w.index.SyncData()
}

// writeManifest makes the state the manifest. All of it must be durable.
func (l *Log) writeManifest() error {
	return l.putManifest(l.manifest())
}

func (l *Log) manifest() *manifest {
	s := &l.w.state
	return &manifest{
		clean:     l.w.clean,
		start:     s.start,
		compacted: s.compacted,
		segments:  append(s.sealed[:len(s.sealed):len(s.sealed)], s.active),
		epochs:    s.epochs,
	}
}

func (l *Log) putManifest(m *manifest) error {
	if err := writeFile(l.fs, l.dir, manifestName, m.encode()); err != nil {
		return err
	}
	l.w.recoveryPoint = m.active().size
	if !l.w.fresh {
		return nil
	}
	l.w.fresh = false
	return syncDir(l.fs, l.fs.PathDir(l.dir))
}

// closeFiles closes the writer's descriptors. What was written through them
// and matters was synced.
func (w *writer) closeFiles() error {
	err := closeFile(&w.file)
	if err2 := closeFile(&w.index); err == nil {
		err = err2
	}
	return err
}

func closeFile(f *vfs.File) error {
	if *f == nil {
		return nil
	}
	err := (*f).Close()
	*f = nil
	return err
}
