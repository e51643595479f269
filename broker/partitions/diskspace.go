package partitions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/segment"
)

// DiskSpace watches the free space of the disk that has the data directory, and keeps
// some in reserve. It exists because a write that a full disk cuts short is final
// for its partition, and for metadata and lock table it is final for the process.
//
//	free, beside what is still to be reserved
//	   ▲   all is taken in
//	   │ ─── floor ──────────────────────────────────────────────────────────
//	   │   clients' writes are refused, and may be tried again; reads, commits
//	   │   of offsets, deletions, retention and elections go on
//	   │ ─── least ──────────────────────────────────────────────────────────
//	   │   the running part of the reserve is given up, for metadata, lock
//	   │   table and checkpoints; when that is used up, nobody writes to a partition
//	   0
//
// The reserve has two parts: one for a broker that runs while others fill its
// disk, and one that is given up at start alone. Whatever the first was spent on,
// a broker on a full disk must be able to open what it has.
type DiskSpace struct {
	fs  vfs.FS
	dir string
	log *slog.Logger

	// floor and least are 0 where the size of the disk cannot be told: then nothing
	// is refused and nothing reserved.
	floor, least   int64
	running, start reserve
	unreservable   bool // the file system has no way to reserve blocks, which was said

	free   atomic.Int64
	looked atomic.Int64 // when, in nanoseconds since began
	taken  atomic.Int64 // appended since
	low    atomic.Bool  // below the floor
	none   atomic.Bool  // below the least, and the running part is given up
	began  time.Time

	looking sync.Mutex // guards the reserve; held while the disk is looked at
}

// reserve is a file whose blocks are taken.
type reserve struct {
	path  string
	bytes int64
	held  bool
}

const (
	// Of a small disk the floor takes an eighth, the running part of the reserve a
	// sixteenth, and that for the start a quarter.
	diskFloorMax      = 64 << 20
	diskFloorShare    = 8
	runReserveMax     = 32 << 20
	runReserveShare   = 16
	startReserveMax   = 32 << 20 // etcd's file and its next log alone take 21 MiB of a tmpfs
	startReserveShare = 4

	diskLookEvery = 250 * time.Millisecond
	// A look may be so old, or so many bytes, when a client's write goes by it.
	diskLookAge   = 50 * time.Millisecond
	diskLookBytes = 1 << 20

	// startBytesLeast is what a start needs to make files of its own.
	startBytesLeast = 1 << 20
)

// OpenDiskSpace measures the disk. On a full one it gives up the reserve, so that
// what is opened next finds room.
func OpenDiskSpace(fsys vfs.FS, dir string, log *slog.Logger) (*DiskSpace, error) {
	d := &DiskSpace{fs: fsys, dir: dir, log: log, began: time.Now()}
	u, err := fsys.GetDiskUsage(dir)
	if err != nil {
		log.Debug("the room on the disk is not known", "dir", dir, "error", err)
		return d, nil
	}
	total := int64(u.TotalBytes)
	d.floor = min(diskFloorMax, total/diskFloorShare)
	d.running = reserve{path: filepath.Join(dir, "reserve.run"), bytes: min(runReserveMax, total/runReserveShare)}
	d.start = reserve{path: filepath.Join(dir, "reserve.start"), bytes: min(startReserveMax, total/startReserveShare)}
	d.least = d.running.bytes / 2
	for _, r := range d.parts() {
		_, err := fsys.Stat(r.path)
		r.held = err == nil
	}
	if free := int64(u.AvailBytes); free < d.floor {
		log.Warn("the disk is nearly full", "dir", dir, "free", free, "floor", d.floor)
		for _, r := range d.parts() {
			d.giveUp(r)
		}
	}
	d.look()
	return d, d.probe()
}

func (d *DiskSpace) parts() []*reserve { return []*reserve{&d.start, &d.running} }

// probe refuses to start where not even small files can be made: lock table and
// metadata would end the process in the middle of it.
func (d *DiskSpace) probe() error {
	if d.free.Load() >= startBytesLeast {
		return nil
	}
	path := filepath.Join(d.dir, "probe")
	f, err := d.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, startBytesLeast))
	err = errors.Join(err, f.Close(), d.fs.Remove(path))
	if err != nil {
		return fmt.Errorf("the disk of %s is full: a start needs %d MiB of it: %w", d.dir, startBytesLeast>>20, err)
	}
	return nil
}

// Run watches the disk until ctx ends.
func (d *DiskSpace) Run(ctx context.Context) error {
	look := func() {
		d.look()
		d.keepReserve()
	}
	look()
	Every(ctx, diskLookEvery, look)
	return nil
}

// look finds out how much is free, and acts on it.
func (d *DiskSpace) look() {
	d.looking.Lock()
	defer d.looking.Unlock()
	d.lookLocked()
}

func (d *DiskSpace) lookLocked() {
	if d.floor == 0 {
		return
	}
	u, err := d.fs.GetDiskUsage(d.dir)
	if err != nil {
		return // that the disk fails is told by what is written to it
	}
	free := int64(u.AvailBytes)
	d.free.Store(free)
	d.taken.Store(0)
	d.looked.Store(int64(time.Since(d.began)))
	enough := d.floor + d.missing()
	if d.low.Load() {
		enough += d.floor / 4 // what was full is to have some room again before it counts as such
	}
	switch low := free < enough; {
	case low && !d.low.Swap(true):
		d.log.Error("the disk is nearly full: writes of clients are refused",
			"dir", d.dir, "free", free, "floor", d.floor+d.missing())
	case !low && d.low.Swap(false):
		d.log.Info("the disk has room again: writes are taken", "dir", d.dir, "free", free)
	}
	d.none.Store(free < d.least && !d.giveUp(&d.running))
}

// missing is how much is still to be reserved.
func (d *DiskSpace) missing() (bytes int64) {
	for _, r := range d.parts() {
		if !r.held && !d.unreservable {
			bytes += r.bytes
		}
	}
	return bytes
}

// Admit reports why a client's write of n bytes is not taken, or nil.
func (d *DiskSpace) Admit(n int) error {
	if d.floor == 0 {
		return nil
	}
	age := time.Since(d.began) - time.Duration(d.looked.Load())
	if (d.taken.Add(int64(n)) > diskLookBytes || age > diskLookAge) && d.looking.TryLock() {
		d.lookLocked()
		d.looking.Unlock()
	}
	// A single write may be larger than all that is above the floor.
	if !d.low.Load() && d.free.Load()-int64(n) >= d.least {
		return nil
	}
	return errors.New(d.shortText())
}

// IsLow reports whether clients' writes are refused.
func (d *DiskSpace) IsLow() bool { return d.low.Load() }

// Full reports whether no partition is to be written to.
func (d *DiskSpace) Full() bool { return d.none.Load() }

// Problem is what is wrong with the disk, or "".
func (d *DiskSpace) Problem() string {
	if !d.low.Load() {
		return ""
	}
	return d.shortText() + ": writes are refused until there is room again; reads go on"
}

func (d *DiskSpace) shortText() string {
	d.looking.Lock()
	defer d.looking.Unlock()
	return fmt.Sprintf("the disk has %s free, and %s are to stay so",
		mebibytes(d.free.Load()), mebibytes(d.floor+d.missing()))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// giveUp removes a part of the reserve, and reports whether it was there.
func (d *DiskSpace) giveUp(r *reserve) bool {
	if !r.held {
		return false
	}
	r.held = false
	if err := d.fs.Remove(r.path); err != nil {
		d.log.Error("a part of the reserve on the disk cannot be given up", "file", r.path, "error", err)
		return false
	}
	d.log.Warn("a part of the reserve on the disk was given up", "file", r.path, "bytes", r.bytes)
	return true
}

// keepReserve makes what is missing of the reserve, where that leaves enough.
func (d *DiskSpace) keepReserve() {
	d.looking.Lock()
	defer d.looking.Unlock()
	for _, r := range d.parts() {
		if d.floor == 0 || r.held || d.unreservable || d.free.Load() < d.floor+d.missing() {
			continue
		}
		if err := d.reserve(r); err != nil && !segment.ShortOfSpace(err) {
			d.unreservable = true
			d.log.Warn("no room can be reserved on the disk", "file", r.path, "bytes", r.bytes, "error", err)
		}
		return // a look shows what is free now
	}
}

// reserve makes the file of a part.
func (d *DiskSpace) reserve(r *reserve) error {
	f, err := d.fs.Create(r.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	err = f.Preallocate(0, r.bytes)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, d.fs.Remove(r.path))
	}
	r.held = true
	return nil
}
