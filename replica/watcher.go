package replica

import (
	"sync"
	"sync/atomic"

	"github.com/lockstep-log/lockstep/internal/notify"
)

// Waker is woken when a partition that it watches has moved: its high watermark,
// its start, its state, its round or, where it is led with followers, its end.
// Wake is called from the partition's loop and must not block.
type Waker interface{ Wake() }

// Watcher is a Waker for one waiting fetch, of however many partitions.
type Watcher struct{ C notify.Signal }

// NewWatcher returns a Watcher that nothing has woken.
func NewWatcher() *Watcher { return &Watcher{C: notify.New()} }

// Wake never blocks: one pending wake says all.
func (w *Watcher) Wake() { w.C.Notify() }

// Forget takes back a wake that nobody has waited for.
func (w *Watcher) Forget() { w.C.Clear() }

// watchers is the set of fetches that wait on one partition.
type watchers struct {
	moves atomic.Uint64 // counts moved
	mu    struct {
		sync.Mutex
		set map[Waker]bool // true: it is woken once, and removed
	}
}

// Moves counts the moves of the partition that a Waker is told of. Who takes it
// before a read and finds it unchanged after Watch has missed none.
func (p *Partition) Moves() uint64 { return p.watchers.moves.Load() }

// Watch adds w, if it is not there already. What moved before is not told; see
// Moves.
func (p *Partition) Watch(w Waker) { p.watch(w, false) }

// WatchOnce is Watch until w is woken for the first time: one that nobody comes
// back to costs nothing from then on.
func (p *Partition) WatchOnce(w Waker) { p.watch(w, true) }

func (p *Partition) watch(w Waker, once bool) {
	p.watchers.mu.Lock()
	defer p.watchers.mu.Unlock()
	if p.watchers.mu.set == nil {
		p.watchers.mu.set = map[Waker]bool{}
	}
	p.watchers.mu.set[w] = once
}

// Unwatch removes w.
func (p *Partition) Unwatch(w Waker) {
	p.watchers.mu.Lock()
	defer p.watchers.mu.Unlock()
	delete(p.watchers.mu.set, w)
}

func (p *Partition) moved() {
	p.watchers.moves.Add(1)
	p.watchers.mu.Lock()
	defer p.watchers.mu.Unlock()
	for w, once := range p.watchers.mu.set {
		if once {
			delete(p.watchers.mu.set, w)
		}
		w.Wake()
	}
}
