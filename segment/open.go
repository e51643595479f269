package segment

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// Open opens the log in dir, or makes an empty one, and recovers it: see
// recover.go. A log that was closed cleanly is opened without reading a batch.
// It must be in use nowhere else: LockDir.
func Open(fs vfs.FS, dir string, cfg Config) (*Log, error) {
	l := &Log{fs: retryFS{fs, openPatience}, impatient: fs, dir: dir, files: cfg.Files}
	l.w.cfg = cfg.withDefaults()
	if l.files == nil {
		l.files, l.ownFiles = NewFiles(fs, 4), true
	}
	if err := l.load(); err != nil {
		_ = l.w.closeFiles() // nothing was promised of what was written
		return nil, fmt.Errorf("segment: open log in %s: %w", dir, err)
	}
	l.publish()
	return l, nil
}

func (l *Log) load() error {
	names, err := l.fs.List(l.dir)
	if notExist(err) {
		names, err = nil, l.fs.MkdirAll(l.dir, 0o755)
	}
	if err != nil {
		return err
	}
	names, err = l.sweep(names)
	if err != nil {
		return err
	}
	m, err := l.readManifest(names)
	if err != nil {
		return err
	}
	if m.cut {
		if err := l.applyCut(m); err != nil {
			return err
		}
		if names, err = l.fs.List(l.dir); err != nil {
			return err
		}
	}
	if err := l.checkFiles(m, names); err != nil {
		return err
	}
	return l.adopt(m, names)
}

// sweep removes what writes left behind that did not finish.
func (l *Log) sweep(names []string) (rest []string, err error) {
	for _, name := range names {
		if !strings.HasSuffix(name, tmpSuffix) {
			rest = append(rest, name)
		} else if err := l.remove(name); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// readManifest reads the manifest, or makes one up where there is no log yet:
// nothing is put on disk for a log before something is written to it, so that
// a topic of a thousand partitions is made in no time.
func (l *Log) readManifest(names []string) (*manifest, error) {
	path := l.path(manifestName)
	if slices.Contains(names, manifestName) {
		b, err := readFile(l.fs, path)
		if err != nil {
			return nil, err
		}
		m, err := decodeManifest(b)
		if _, newer := err.(errVersion); newer {
			return nil, fmt.Errorf("%s: %w", path, err)
		} else if err != nil {
			return nil, corrupt(path, 0, protocol.None, "%v", err)
		}
		return m, nil
	}
	for _, name := range names {
		if strings.HasSuffix(name, logSuffix) {
			return nil, corrupt(path, 0, protocol.None, "the manifest is missing, but there is %s", name)
		}
	}
	l.w.fresh = true
	return &manifest{clean: true, segments: []extent{newExtent(0)}}, nil
}

// checkFiles compares the directory to the manifest. Files older than the log
// were to be deleted, those that compaction has read or not finished as well,
// and an empty one was to become the active segment, or had been; any other
// segment that is too many or too few is damage.
func (l *Log) checkFiles(m *manifest, names []string) error {
	for _, name := range names {
		base, edition, isLog := parseName(name, logSuffix)
		if !isLog {
			// An index without its segment is made again when it is needed.
			if base, edition, isIndex := parseName(name, indexSuffix); isIndex && !m.has(base, edition) {
				if err := l.remove(name); err != nil {
					return err
				}
			}
			continue
		}
		if m.has(base, edition) {
			continue
		}
		// Neither deleted nor compacted away: only an empty one can be a leftover of a roll.
		if edition == 0 && base >= m.segments[0].base && base >= m.compacted {
			if err := l.checkLeftover(name, base); err != nil {
				return err
			}
		}
		if err := l.remove(name); err != nil {
			return err
		}
	}
	// The other way round: what the manifest knows must be there, whole.
	for i := range m.segments[:len(m.segments)-1] {
		if err := l.checkSealed(&m.segments[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) checkLeftover(name string, base protocol.Offset) error {
	path := l.path(name)
	size, err := fileSize(l.fs, path)
	if err != nil {
		return err
	}
	if size > 0 {
		return corrupt(path, 0, base, "the segment has %d bytes and is not in the manifest", size)
	}
	return nil
}

// checkSealed trusts a sealed segment if its file is there and as long as it was.
func (l *Log) checkSealed(x *extent) error {
	path := l.logPath(x.segment)
	size, err := fileSize(l.fs, path)
	switch {
	case notExist(err):
		return corrupt(path, 0, x.base, "the segment, with offsets %d to %d, is missing", x.base, x.next-1)
	case err != nil:
		return err
	case size != x.size:
		return corrupt(path, min(size, x.size), protocol.None, "the segment has %d bytes, should have %d", size, x.size)
	}
	x.trustedFrom = x.size
	return nil
}

// adopt makes the manifest's state the log's, and recovers what is behind it.
func (l *Log) adopt(m *manifest, names []string) error {
	w := &l.w
	w.clean = m.clean
	w.state.start, w.state.epochs, w.state.compacted = m.start, m.epochs, m.compacted
	w.state.setSealed(m.segments[:len(m.segments)-1])
	x := *m.active()
	x.trustedFrom = x.size
	l.setActive(x, nil)
	size, err := l.checkActive(m)
	if err != nil {
		return err
	}
	if err := l.loadTail(); err != nil {
		return err
	}
	l.recovered.Clean = m.clean
	if m.clean {
		return nil
	}
	if err := l.recover(size); err != nil {
		return err
	}
	return l.dropCheckpointsAbove(names, w.state.end())
}

// checkActive compares the active segment's file to the recovery point, up to
// which it was on disk for certain, and gives its size. The file of a log that
// was never written to need not be there.
func (l *Log) checkActive(m *manifest) (int64, error) {
	x := m.active()
	path := l.logPath(x.segment)
	size, err := fileSize(l.fs, path)
	switch {
	case notExist(err) && m.clean && x.size == 0:
		return 0, nil
	case notExist(err):
		return 0, corrupt(path, 0, x.base, "the active segment is missing")
	case err != nil:
		return 0, err
	case size < x.size:
		return 0, corrupt(path, size, protocol.None,
			"the segment has %d bytes, but %d were on disk for certain", size, x.size)
		// A clean shutdown wrote down the exact size, so that more is somebody else's.
	case m.clean && size > x.size:
		return 0, corrupt(path, x.size, x.next,
			"the log was closed with %d bytes in this segment, now it has %d", x.size, size)
	}
	return size, nil
}

// loadTail takes the last chunk of the active segment's index into memory, to
// go on with it. If it cannot be used, it is made anew from the batches.
func (l *Log) loadTail() error {
	w := &l.w
	s := &w.state
	if s.active.entries == 0 {
		return nil
	}
	tail, err := l.tailOf(s, &s.active, s.active.entries)
	if err != nil {
		return l.remakeIndex()
	}
	s.tail, w.tailWritten = tail, len(tail)
	if len(tail) > 0 {
		w.indexedTo = tail[len(tail)-1].pos
	}
	return nil
}

// remakeIndex makes the active segment's index anew.
func (l *Log) remakeIndex() error {
	s := &l.w.state
	entries, err := l.indexEntries(s, &s.active)
	if err != nil {
		return err
	}
	if err := l.remove(indexName(s.active.segment)); err != nil {
		return err
	}
	s.active.entries, s.tail = 0, nil
	for _, e := range entries {
		if err := l.addEntry(e); err != nil {
			return err
		}
	}
	return l.closeWriterFiles()
}
