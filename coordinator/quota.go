package coordinator

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
)

// QuotaOptions bound the metadata store. An outside etcd is only looked at:
// its history and its file are its operators'.
type QuotaOptions struct {
	// Max is how much of the store may be in use for topics and settings to be
	// added. It lies far below the quota beyond which etcd takes no writes at all,
	// so that leases, elections and changes of the ISR always find space.
	// Default: 512 MiB; of an outside etcd, three quarters of its quota.
	Max int64
	// History is how much the store may grow, by what was written over or deleted,
	// before that is forgotten. Default: 8 MiB.
	History int64
	// Kept is how long history stays for whoever follows it: a watch that falls
	// behind for longer reads everything anew. Default: 2 s.
	Kept time.Duration
	// Interval is how often the store is looked at. Default: 1 s; 10 s for an
	// outside etcd.
	Interval time.Duration
}

const (
	quotaMax             = 512 << 20
	historyMax           = 8 << 20
	historyKept          = 2 * time.Second
	quotaInterval        = time.Second
	quotaIntervalOutside = 10 * time.Second

	// historyRevisions is how many revisions may pass before history is forgotten, however small.
	historyRevisions = 10_000
	// quotaPause bounds how often changes that are beyond the quota have the store looked at.
	quotaPause = 100 * time.Millisecond
	// forgottenNotes is after how many writes, each in a commit of its own, etcd counts
	// as free what it has freed.
	forgottenNotes = 3
)

func (o QuotaOptions) withDefaults(ours bool) QuotaOptions {
	if o.Max == 0 && ours {
		o.Max = quotaMax
	}
	if o.History == 0 {
		o.History = historyMax
	}
	if o.Kept == 0 {
		o.Kept = historyKept
	}
	if o.Interval == 0 {
		o.Interval = quotaIntervalOutside
		if ours {
			o.Interval = quotaInterval
		}
	}
	return o
}

// quota is what is known of the store's size, and what was done about it.
type quota struct {
	now atomic.Pointer[etcd.Usage] // nil: not looked at yet

	mu struct { // held while the store is looked at
		sync.Mutex
		looked  time.Time
		history history
		notes   int // still to be written, see noteForgotten
		state   quotaState
	}
}

type quotaState uint8

const (
	quotaFree    quotaState = iota
	quotaNear               // three quarters of what may be used is in use
	quotaReached            // nothing can be added
)

// most is how much may be in use.
func (o QuotaOptions) most(u etcd.Usage) int64 {
	if o.Max > 0 {
		return o.Max
	}
	return u.Quota / 4 * 3
}

func (o QuotaOptions) state(u etcd.Usage) quotaState {
	switch most := o.most(u); {
	case u.Full, most > 0 && u.InUse >= most:
		return quotaReached
	case most > 0 && u.InUse >= most/4*3:
		return quotaNear
	}
	return quotaFree
}

// history decides up to which revision the store may forget. It is pure.
type history struct {
	seen      []seenRevision // oldest first; but for the first, of the time in which history is kept
	forgotten int64          // up to here
	inUse     int64          // after that
}

type seenRevision struct {
	at       time.Time
	revision int64
}

// due takes in the store's newest revision and size, and returns the revision
// that is to be forgotten up to, or 0.
func (h *history) due(now time.Time, revision, inUse int64, o QuotaOptions) int64 {
	h.seen = append(h.seen, seenRevision{now, revision})
	for len(h.seen) > 1 && now.Sub(h.seen[1].at) >= o.Kept {
		h.seen = h.seen[1:]
	}
	if h.forgotten == 0 { // what was before this process is not known
		h.forgotten, h.inUse = 1, inUse/2
	}
	h.inUse = min(h.inUse, inUse)
	oldest := h.seen[0].revision
	switch {
	case oldest <= h.forgotten || now.Sub(h.seen[0].at) < o.Kept:
		return 0
	case inUse-h.inUse >= o.History, oldest-h.forgotten >= historyRevisions:
		return oldest
	}
	return 0
}

// done takes in that history up to a revision is forgotten.
func (h *history) done(revision, inUse int64) { h.forgotten, h.inUse = revision, inUse }

// watchQuota looks after the store's size until ctx ends.
func (c *Cluster) watchQuota(ctx context.Context) error {
	s, ok := c.o.Store.(*etcd.Store)
	if !ok {
		return nil
	}
	tick := time.NewTicker(c.o.Quota.Interval)
	defer tick.Stop()
	for {
		c.checkQuota(ctx, s, false)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// checkQuota finds out how much of the store is taken, has history forgotten
// when enough of it has come together, and reclaims space where there is none. In
// need all history goes at once.
func (c *Cluster) checkQuota(ctx context.Context, s *etcd.Store, need bool) {
	c.quota.mu.Lock()
	defer c.quota.mu.Unlock()
	now := time.Now()
	if need && now.Sub(c.quota.mu.looked) < quotaPause {
		return
	}
	c.quota.mu.looked = now
	u, err := s.Usage(ctx)
	if err != nil {
		return // that the store is gone is said elsewhere
	}
	if u.Local {
		u = c.reclaim(ctx, s, u, now)
	}
	c.quota.now.Store(&u)
	c.sayQuota(u)
}

// reclaim has history forgotten and a full store heal, and returns what that leaves.
func (c *Cluster) reclaim(ctx context.Context, s *etcd.Store, u etcd.Usage, now time.Time) etcd.Usage {
	h, revision := &c.quota.mu.history, c.Image().Revision
	upTo := h.due(now, revision, u.InUse, c.o.Quota)
	var err error
	switch state := c.o.Quota.state(u); {
	case u.Full:
		err, upTo = s.Reclaim(ctx), revision
	case state == quotaReached && revision > h.forgotten:
		err, upTo = s.Forget(ctx, revision), revision
	case upTo > 0 && s.Leads(): // once is enough, and the controller may be a client
		err = s.Forget(ctx, upTo)
	default:
		c.noteForgotten(ctx, s)
		return u
	}
	if err != nil {
		if ctx.Err() == nil {
			c.log.Warn("no space could be reclaimed in the metadata store", "in use", u.InUse, "error", err)
		}
		return u
	}
	after, err := s.Usage(ctx)
	if err != nil {
		return u
	}
	h.done(upTo, after.InUse)
	c.quota.mu.notes = forgottenNotes
	c.noteForgotten(ctx, s)
	return after
}

// noteForgotten writes down up to where history was forgotten. It is the write
// that matters: etcd's backend gives pages free, and counts them so, only when
// it writes again, and a store that is full would stay so for as long as it rests.
func (c *Cluster) noteForgotten(ctx context.Context, s *etcd.Store) {
	if c.quota.mu.notes == 0 {
		return
	}
	c.quota.mu.notes--
	note := store.Put(c.keys.Forgotten(), store.Encode(store.ForgottenValue{Revision: c.quota.mu.history.forgotten}))
	if _, _, err := c.o.Store.Txn(ctx, nil, []store.Op{note}); err != nil && ctx.Err() == nil {
		c.log.Debug("not noted that history was forgotten", "error", err)
	}
	s.Settle() // on a slow disk several notes would share a commit, and space stay taken
}

// sayQuota says it once when the store comes near its quota, or is below it again.
func (c *Cluster) sayQuota(u etcd.Usage) {
	before, now := c.quota.mu.state, c.o.Quota.state(u)
	c.quota.mu.state = now
	switch {
	case now == quotaReached && before != quotaReached:
		c.log.Error("metadata store is full: nothing can be added", "in use", u.InUse, "most", c.o.Quota.most(u), "bytes",
			u.Bytes, "quota", u.Quota)
	case now == quotaNear && before == quotaFree:
		c.log.Warn("metadata store is nearly full", "in use", u.InUse, "most", c.o.Quota.most(u))
	case now < before:
		c.log.Info("metadata store has room again", "in use", u.InUse, "most", c.o.Quota.most(u))
	}
}

// StoreUsage is what is taken of the metadata store.
type StoreUsage struct {
	etcd.Usage
	Most    int64  // that may be in use; beyond it nothing can be added
	Full    bool   // nothing can
	Problem string // what is wrong about it, or ""
}

// StoreUsage says what is taken of the metadata store, as it was looked at last;
// ok is false where that is not known.
func (c *Cluster) StoreUsage() (t StoreUsage, ok bool) {
	u := c.quota.now.Load()
	if u == nil {
		return t, false
	}
	t.Usage, t.Most = *u, c.o.Quota.most(*u)
	switch c.o.Quota.state(*u) {
	case quotaReached:
		t.Full, t.Problem = true, c.fullText(*u)
	case quotaNear:
		t.Problem = fmt.Sprintf("the metadata store is nearly full: %s of %s are in use; beyond that nothing can be added",
			mebibytes(u.InUse), mebibytes(t.Most))
	}
	return t, true
}

func (c *Cluster) fullText(u etcd.Usage) string {
	if u.Full && !u.Local {
		return "the metadata store takes no writes: etcd has raised NOSPACE; compact and defragment it, and disarm the " +
			"alarm (etcdctl)"
	}
	if u.Full {
		return fmt.Sprintf("the metadata store takes no writes: its file has %s, and may have %s; room is being made",
			mebibytes(u.Bytes), mebibytes(u.Quota))
	}
	return fmt.Sprintf("the metadata store is full: %s are in use, and %s may be; delete topics or settings before "+
		"others are added",
		mebibytes(u.InUse), mebibytes(c.o.Quota.most(u)))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// admit refuses an addition beyond the quota. Before it does, it has
// history forgotten, and waits for that.
func (c *Cluster) admit(ctx context.Context) error {
	s, ok := c.o.Store.(*etcd.Store)
	for try := 0; ; try++ {
		u := c.quota.now.Load()
		switch {
		case !ok || u == nil || c.o.Quota.state(*u) != quotaReached:
			return nil
		case try == admitTries || !u.Local:
			return refusal.New(store.ErrFull, "Nothing can be added: %s.", c.fullText(*u))
		}
		c.checkQuota(ctx, s, true)
		if !sleep(ctx, quotaPause) {
			return outOfTime(ctx)
		}
	}
}

// admitTries is how often an addition looks for space: etcd tells what is in use
// a moment after it has changed.
const admitTries = 5
