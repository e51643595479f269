package segment

import (
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/singleflight"

	"github.com/lockstep-log/lockstep/protocol"
)

// Log is one partition's batches on one disk.
//
// The writer's side has one owner and no locks; the readers' side is safe for
// any goroutine. They meet in one atomic pointer to an immutable snapshot,
// which Append publishes after its write: readers may see what is not synced
// yet, and bound themselves by the high watermark.
//
// An idle log that was not written to since Open holds no descriptor; one that
// was holds the active file's and, once it has one, its index's.
type Log struct {
	fs        vfs.FS // waits for file descriptors
	impatient vfs.FS // does not
	dir       string
	files     *Files

	ownFiles  bool
	recovered Recovery

	snap   atomic.Pointer[snapshot]
	closed atomic.Bool

	compacting atomic.Bool // there is a Compaction that was not closed

	rebuilds singleflight.Group // of indexes, by readers; one at a time for each

	w writer
}

// writer is the state that the log's owner alone touches.
type writer struct {
	cfg    Config
	state  snapshot // what the next publish shows
	failed error    // the first failed write or sync; final

	fresh bool     // there is no manifest yet
	clean bool     // the manifest says so: nothing was written since it was
	file  vfs.File // the active segment, open since the first append
	index vfs.File // its index, open since the first full chunk

	written       int64 // bytes of batches in the file; == state.active.size but within Append
	filled        int64 // size of the file: behind written it holds zeros
	synced        int64 // bytes of batches on disk for certain
	indexedTo     int64 // position of the last index entry
	tailWritten   int   // entries of state.tail that are in the index file as well
	recoveryPoint int64 // position that the manifest holds
	firstTime     int64 // max timestamp of the segment's first batch; -1 while unknown
	openedMs      int64 // when this process first wrote to the segment; 0 before

	smallSyncs int   // in a row: see fillAhead
	sinceSync  int64 // bytes
}

// Recovery says what Open found and did.
type Recovery struct {
	Clean          bool  // the log had been closed
	ScannedBytes   int64 // behind the recovery point, read and checked
	TruncatedBytes int64 // of a torn tail, cut off
}

// Recovery is what Open found and did.
func (l *Log) Recovery() Recovery { return l.recovered }

// SetConfig changes the settings from now on; Files is not among them.
func (l *Log) SetConfig(cfg Config) { l.w.cfg = cfg.withDefaults() }

// Start is the log start offset: the least offset that may be read.
func (l *Log) Start() protocol.Offset { return l.snap.Load().start }

// End is the log end offset: where the next batch starts at the earliest.
func (l *Log) End() protocol.Offset { return l.snap.Load().end() }

// Size is the number of bytes of batches.
func (l *Log) Size() int64 { return l.snap.Load().bytes() }

// Segments is the number of segments, the active one included.
func (l *Log) Segments() int { return len(l.snap.Load().sealed) + 1 }

// LatestEpoch is the leader epoch of the newest batch, or -1.
func (l *Log) LatestEpoch() protocol.LeaderEpoch { return l.snap.Load().epochs.latest() }

// EpochAt is the leader epoch that wrote offset o, or -1.
func (l *Log) EpochAt(o protocol.Offset) protocol.LeaderEpoch { return l.snap.Load().epochs.at(o) }

// EpochEnd is the largest leader epoch in the log that is not above the asked
// one, and the offset behind its last record: the answer to
// OffsetForLeaderEpoch (KIP-320). An epoch above all gets -1 and -1; one below
// all gets itself and where the oldest known one starts.
func (l *Log) EpochEnd(epoch protocol.LeaderEpoch) (protocol.LeaderEpoch, protocol.Offset) {
	s := l.snap.Load()
	return s.epochs.end(epoch, s.end())
}

// publish shows readers the writer's state.
func (l *Log) publish() {
	s := l.w.state
	l.snap.Store(&s)
}

// usable is the error that every call of the writer's side must return.
func (l *Log) usable() error {
	if l.w.failed != nil {
		return l.w.failed
	}
	if l.closed.Load() {
		return ErrClosed
	}
	return nil
}

// fail makes err final.
func (l *Log) fail(doing string, err error) error {
	if err != nil && l.w.failed == nil {
		l.w.failed = fmt.Errorf("segment: %s: %s: %w", l.dir, doing, err)
	}
	return l.w.failed
}

func (l *Log) path(name string) string { return l.fs.PathJoin(l.dir, name) }

func (l *Log) logPath(s *segment) string   { return l.path(logName(s)) }
func (l *Log) indexPath(s *segment) string { return l.path(indexName(s)) }
