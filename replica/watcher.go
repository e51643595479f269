package replica

import "sync"

// Waker is woken when a partition that it watches has moved: its high watermark,
// its start, its state, its round or, where it is led with followers, its end.
// Wake is called from the partition's loop and must not block.
type Waker interface{ Wake() }

// Watcher is a Waker for one waiting fetch, of however many partitions.
type Watcher struct{ C chan struct{} }

// NewWatcher returns a Watcher that nothing has woken.
func NewWatcher() *Watcher { return &Watcher{C: make(chan struct{}, 1)} }

// Wake never blocks: one pending wake says all.
func (w *Watcher) Wake() {
	select {
	case w.C <- struct{}{}:
	default:
	}
}

// watchers is the set of fetches that wait on one partition.
type watchers struct {
	mu struct {
		sync.Mutex
		set map[Waker]struct{}
	}
}

// Watch adds w. Take it before the read whose outcome decides whether to wait,
// or a move in between is missed.
func (p *Partition) Watch(w Waker) {
	p.watchers.mu.Lock()
	defer p.watchers.mu.Unlock()
	if p.watchers.mu.set == nil {
		p.watchers.mu.set = map[Waker]struct{}{}
	}
	p.watchers.mu.set[w] = struct{}{}
}

// Unwatch removes w.
func (p *Partition) Unwatch(w Waker) {
	p.watchers.mu.Lock()
	defer p.watchers.mu.Unlock()
	delete(p.watchers.mu.set, w)
}

func (p *Partition) moved() {
	p.watchers.mu.Lock()
	defer p.watchers.mu.Unlock()
	for w := range p.watchers.mu.set {
		w.Wake()
	}
}
