package coordinator

import (
	"sync"
	"time"
)

// health is what is known of the store: the watcher and the session each tell
// when they lose it and when they have it again.
type health struct {
	watch, session contact
}

// contact is one's standing with the store.
type contact struct {
	mu struct {
		sync.Mutex
		goneSince time.Time // zero: it is there
	}
}

func (h *contact) gone() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.goneSince
}

// set reports whether it was news.
func (h *contact) set(there bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if there == h.mu.goneSince.IsZero() {
		return false
	}
	h.mu.goneSince = time.Time{}
	if !there {
		h.mu.goneSince = time.Now()
	}
	return true
}

// StoreGone tells since when the metadata store has not answered, or not had a
// quorum. Topics, settings, leaders and ISRs then stand still; partitions that
// have a leader and enough in sync go on.
func (c *Cluster) StoreGone() (since time.Time, gone bool) {
	for _, h := range []*contact{&c.health.watch, &c.health.session} {
		if at := h.gone(); !at.IsZero() && (since.IsZero() || at.Before(since)) {
			since = at
		}
	}
	return since, !since.IsZero()
}

// storeSeen notes that the store answered, or did not, and says so once.
func (c *Cluster) storeSeen(h *contact, there bool, err error) {
	_, before := c.StoreGone()
	if !h.set(there) {
		return
	}
	switch _, now := c.StoreGone(); {
	case now && !before:
		c.log.Warn("metadata store is gone; metadata stands still", "revision", c.Image().Revision, "error", err)
	case before && !now:
		c.log.Info("metadata store is back", "revision", c.Image().Revision)
	}
}
