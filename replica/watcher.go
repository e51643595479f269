package replica

import "sync"

// Watcher is woken when any partition that it watches has moved: its high
// watermark, its start or its leadership. One Watcher serves one waiting fetch.
type Watcher struct{ C chan struct{} }

// NewWatcher returns a Watcher that nothing has woken.
func NewWatcher() *Watcher { return &Watcher{C: make(chan struct{}, 1)} }

// wake never blocks: one pending wake says all.
func (w *Watcher) wake() {
	select {
	case w.C <- struct{}{}:
	default:
	}
}

// watchers is the set of fetches that wait on one partition.
type watchers struct {
	mu struct {
		sync.Mutex
		set map[*Watcher]struct{}
	}
}

// Watch adds w. Take it before the read whose outcome decides whether to wait,
// or a move in between is missed.
func (p *Partition) Watch(w *Watcher) {
	p.watchers.mu.Lock()
	defer p.watchers.mu.Unlock()
	if p.watchers.mu.set == nil {
		p.watchers.mu.set = map[*Watcher]struct{}{}
	}
	p.watchers.mu.set[w] = struct{}{}
}

// Unwatch removes w.
func (p *Partition) Unwatch(w *Watcher) {
	p.watchers.mu.Lock()
	defer p.watchers.mu.Unlock()
	delete(p.watchers.mu.set, w)
}

func (p *Partition) moved() {
	p.watchers.mu.Lock()
	defer p.watchers.mu.Unlock()
	for w := range p.watchers.mu.set {
		w.wake()
	}
}
