package segment

import (
	"container/list"
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Files is a bounded cache of files that are open for reading, shared by many
// logs, so that a broker with thousands of partitions holds few descriptors.
//
// A file in use is never closed; max bounds those that lie unused. No lock is
// held over I/O. Safe for any goroutine.
type Files struct {
	fs  vfs.FS
	max int

	mu struct {
		sync.Mutex
		open    map[string]*openFile // what open hands out, used or not
		idle    *list.List           // *openFile without users, the one used last in front
		forgets uint64               // counts forget and Close, so that a late open is not cached
		closed  bool

		memories   [recentLogs]*memory // of the logs that were given some last
		nextMemory int
	}
}

// openFile is one file and who uses it. Its fields are guarded by Files.mu,
// but for the file itself, which any user may read.
type openFile struct {
	vfs.File
	path   string
	users  int
	cached bool          // is in Files.mu.open
	idle   *list.Element // in Files.mu.idle while cached and without users
}

// NewFiles makes a cache that keeps at most max unused files open. max <= 0
// means 64.
func NewFiles(fs vfs.FS, max int) *Files {
	if max <= 0 {
		max = 64
	}
	f := &Files{fs: retryFS{fs, readPatience}, max: max}
	f.mu.open = map[string]*openFile{}
	f.mu.idle = list.New()
	return f
}

// acquire opens path, or shares it; every acquire wants a release.
func (f *Files) acquire(path string) (*openFile, error) {
	h, forgets := f.cached(path)
	if h != nil {
		return h, nil
	}
	file, err := f.fs.Open(path)
	if err != nil {
		return nil, err
	}
	h, surplus := f.add(&openFile{File: file, path: path, users: 1}, forgets)
	if surplus != nil {
		_ = surplus.Close() // it was only read from
	}
	return h, nil
}

func (f *Files) cached(path string) (h *openFile, forgets uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h = f.mu.open[path]; h != nil {
		f.use(h)
	}
	return h, f.mu.forgets
}

func (f *Files) use(h *openFile) {
	h.users++
	if h.idle != nil {
		f.mu.idle.Remove(h.idle)
		h.idle = nil
	}
}

// add caches h unless its path was forgotten while it was opened. If another
// goroutine was first, its file is used and h's is surplus.
func (f *Files) add(h *openFile, forgets uint64) (used *openFile, surplus vfs.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if first := f.mu.open[h.path]; first != nil {
		f.use(first)
		return first, h.File
	}
	if f.mu.forgets == forgets && !f.mu.closed {
		h.cached = true
		f.mu.open[h.path] = h
	}
	return h, nil
}

// release ends one use of h.
func (f *Files) release(h *openFile) {
	if surplus := f.retire(h); surplus != nil {
		_ = surplus.Close() // it was only read from
	}
}

// retire takes a user off h and returns the file that is to be closed for it.
func (f *Files) retire(h *openFile) vfs.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	h.users--
	switch {
	case h.users > 0:
		return nil
	case !h.cached:
		return h.File
	}
	h.idle = f.mu.idle.PushFront(h)
	if f.mu.idle.Len() <= f.max {
		return nil
	}
	return f.evict(f.mu.idle.Back().Value.(*openFile))
}

// evict takes h out of the cache, and returns its file if nobody uses it.
func (f *Files) evict(h *openFile) vfs.File {
	delete(f.mu.open, h.path)
	h.cached = false
	if h.idle == nil {
		return nil
	}
	f.mu.idle.Remove(h.idle)
	h.idle = nil
	return h.File
}

// forget makes the next acquire of path open the file anew: it was removed or
// replaced. Those who hold it keep the old one.
func (f *Files) forget(path string) {
	f.mu.Lock()
	f.mu.forgets++
	var surplus vfs.File
	if h := f.mu.open[path]; h != nil {
		surplus = f.evict(h)
	}
	f.mu.Unlock()
	if surplus != nil {
		_ = surplus.Close() // it was only read from
	}
}

// Len is the number of files in the cache, used or not.
func (f *Files) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.open)
}

// Close closes what is unused; the rest is closed by its last user. Files
// opened later are not cached.
func (f *Files) Close() error {
	f.mu.Lock()
	f.mu.forgets++
	f.mu.closed = true
	var surplus []vfs.File
	for _, h := range f.mu.open {
		if file := f.evict(h); file != nil {
			surplus = append(surplus, file)
		}
	}
	f.mu.Unlock()
	var errs []error
	for _, file := range surplus {
		errs = append(errs, file.Close())
	}
	return errors.Join(errs...)
}
