package conflict

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// Base is one Pebble for the lock tables of all partitions of a broker: what
// fell out of their windows. It is never truth: delete its directory, and the
// logs are folded again, as far back as they go.
//
// There is no write-ahead log. A generation's entries and the offset that they
// bring the partition to become durable as one, so that after a crash the Base
// is an older one, never a torn one.
//
// Safe for concurrent use.
type Base struct {
	db    *pebble.DB
	fs    vfs.FS
	dir   string        // of tables on their way into the database
	next  atomic.Uint64 // number of the next such table
	table sstable.WriterOptions

	ingestMin int // entries from which on a generation is written as a table

	failure atomic.Pointer[failure] // the next one
}

// failure is an error that Pebble meets in the background. It tries again for
// as long as it takes, and so what failed once may be done the next time.
type failure struct {
	met   chan struct{} // closed when it is
	cause error         // set before
}

// Small sizes: most reads are answered by the window, most brokers are idle.
// The cache, which is taken only as it fills, is for the filters: 10 bits a name.
const (
	baseCacheBytes    = 32 << 20
	baseMemTableBytes = 512 << 10
	baseOpenFilesMax  = 256
	bloomBitsPerKey   = 10
)

// OpenBase opens or creates the Base in a directory that nobody else uses.
func OpenBase(fs vfs.FS, dir string) (*Base, error) {
	b := &Base{fs: fs, dir: fs.PathJoin(dir, "incoming"), ingestMin: ingestEntriesMin}
	b.failure.Store(&failure{met: make(chan struct{})})
	if err := fs.RemoveAll(b.dir); err != nil {
		return nil, fmt.Errorf("open lock base %s: %w", dir, err)
	}
	if err := fs.MkdirAll(b.dir, 0o755); err != nil {
		return nil, fmt.Errorf("open lock base %s: %w", dir, err)
	}
	o := b.options()
	db, err := pebble.Open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open lock base %s: %w", dir, err)
	}
	o.EnsureDefaults()
	b.db, b.table = db, o.MakeWriterOptions(0, db.TableFormat())
	return b, nil
}

func (b *Base) options() *pebble.Options {
	o := &pebble.Options{
		FS:                 b.fs,
		DisableWAL:         true,
		CacheSize:          baseCacheBytes,
		MemTableSize:       baseMemTableBytes,
		MaxOpenFiles:       baseOpenFilesMax,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             quiet{},
		EventListener:      &pebble.EventListener{BackgroundError: b.background},
	}
	o.Experimental.DisableIngestAsFlushable = func() bool { return true } // that way needs the write-ahead log
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
	}
	return o
}

func (b *Base) background(err error) {
	met := b.failure.Swap(&failure{met: make(chan struct{})})
	met.cause = err
	close(met.met)
}

// Partition is one partition's place in the Base.
func (b *Base) Partition(p protocol.TopicPartition) (*Part, error) { return openPart(b, prefixOf(p)) }

// Delete forgets a partition for good. Its Part may not be used any more.
func (b *Base) Delete(p protocol.TopicPartition) error {
	at := prefixOf(p)
	if err := b.db.DeleteRange(at.appendKey(nil, 0, nil), at.appendKey(nil, 0xff, nil), pebble.NoSync); err != nil {
		return fmt.Errorf("delete lock table %s: %w", p, err)
	}
	return nil
}

// Sync makes all that was written durable. Before a log is trimmed, its
// table's checkpoint must be.
//
// An error means that it was not done now; another call may do.
func (b *Base) Sync() error {
	next := b.failure.Load()
	flushed, err := b.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("sync lock base: %w", err)
	}
	select {
	case <-flushed:
		return nil
	case <-next.met: // Pebble would try for ever
		return fmt.Errorf("sync lock base: %w", next.cause)
	}
}

// Close syncs and closes the Base.
func (b *Base) Close() error {
	err := b.Sync()
	if closed := b.db.Close(); closed != nil {
		err = errors.Join(err, fmt.Errorf("close lock base: %w", closed))
	}
	return err
}

// quiet drops Pebble's account of its own housekeeping.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic("lock base: " + fmt.Sprintf(format, args...)) }
