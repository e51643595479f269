package coordinator

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// RoomOptions bound the metadata store. An outside etcd is only looked at:
// its history and its file are its operators'.
type RoomOptions struct {
	// Max is how much of the store may be in use for topics and settings to be
	// added. It lies far below the quota beyond which etcd takes no writes at all,
	// so that leases, elections and changes of the ISR always find room.
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
	roomMax          = 512 << 20
	roomHistory      = 8 << 20
	roomHistoryKept  = 2 * time.Second
	roomInterval     = time.Second
	roomIntervalAway = 10 * time.Second

	// historyRevisions is how many revisions may pass before history is forgotten, however small.
	historyRevisions = 10_000
	// roomPause bounds how often changes that find no room have the store looked at.
	roomPause = 100 * time.Millisecond
	// forgottenNotes is after how many writes etcd counts as free what it has freed.
	forgottenNotes = 3
)

func (o RoomOptions) withDefaults(ours bool) RoomOptions {
	if o.Max == 0 && ours {
		o.Max = roomMax
	}
	if o.History == 0 {
		o.History = roomHistory
	}
	if o.Kept == 0 {
		o.Kept = roomHistoryKept
	}
	if o.Interval == 0 {
		o.Interval = roomIntervalAway
		if ours {
			o.Interval = roomInterval
		}
	}
	return o
}

// room is what is known of the store's size, and what was done about it.
type room struct {
	now atomic.Pointer[Room] // nil: not looked at yet

	mu struct { // held while the store is looked at
		sync.Mutex
		looked  time.Time
		history history
		notes   int // still to be written, see noteForgotten
		state   roomState
	}
}

type roomState uint8

const (
	roomPlenty roomState = iota
	roomShort            // three quarters of what may be used is in use
	roomNone             // nothing can be added
)

// most is how much may be in use.
func (o RoomOptions) most(r Room) int64 {
	if o.Max > 0 {
		return o.Max
	}
	return r.Quota / 4 * 3
}

func (o RoomOptions) state(r Room) roomState {
	switch most := o.most(r); {
	case r.Full, most > 0 && r.InUse >= most:
		return roomNone
	case most > 0 && r.InUse >= most/4*3:
		return roomShort
	}
	return roomPlenty
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
func (h *history) due(now time.Time, revision, inUse int64, o RoomOptions) int64 {
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

// keepRoom looks after the store's size until ctx ends.
func (c *Cluster) keepRoom(ctx context.Context) error {
	store, ok := c.o.Store.(*EtcdStore)
	if !ok {
		return nil
	}
	tick := time.NewTicker(c.o.Room.Interval)
	defer tick.Stop()
	for {
		c.lookAtRoom(ctx, store, false)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// lookAtRoom finds out how much of the store is taken, has history forgotten
// when enough of it has come together, and makes room where there is none. In
// need all history goes at once.
func (c *Cluster) lookAtRoom(ctx context.Context, store *EtcdStore, need bool) {
	c.room.mu.Lock()
	defer c.room.mu.Unlock()
	now := time.Now()
	if need && now.Sub(c.room.mu.looked) < roomPause {
		return
	}
	c.room.mu.looked = now
	r, err := store.Room(ctx)
	if err != nil {
		return // that the store is gone is said elsewhere
	}
	if r.Ours {
		r = c.makeRoom(ctx, store, r, now)
	}
	c.room.now.Store(&r)
	c.sayRoom(r)
}

// makeRoom has history forgotten and a full store heal, and returns what that leaves.
func (c *Cluster) makeRoom(ctx context.Context, store *EtcdStore, r Room, now time.Time) Room {
	h, revision := &c.room.mu.history, c.Image().Revision
	upTo := h.due(now, revision, r.InUse, c.o.Room)
	var err error
	switch state := c.o.Room.state(r); {
	case r.Full:
		err, upTo = store.makeRoom(ctx), revision
	case state == roomNone && revision > h.forgotten:
		err, upTo = store.forget(ctx, revision), revision
	case upTo > 0 && c.leadsHousekeeping():
		err = store.forget(ctx, upTo)
	default:
		c.noteForgotten(ctx)
		return r
	}
	if err != nil {
		if ctx.Err() == nil {
			c.log.Warn("no room could be made in the metadata store", "in use", r.InUse, "error", err)
		}
		return r
	}
	after, err := store.Room(ctx)
	if err != nil {
		return r
	}
	h.done(upTo, after.InUse)
	c.room.mu.notes = forgottenNotes
	c.noteForgotten(ctx)
	return after
}

// noteForgotten writes down up to where history was forgotten. It is the write
// that matters: etcd's backend gives pages free, and counts them so, only when
// it writes again, and a store that is full would stay so for as long as it rests.
func (c *Cluster) noteForgotten(ctx context.Context) {
	if c.room.mu.notes == 0 {
		return
	}
	c.room.mu.notes--
	note := Put(c.keys.forgotten(), encode(forgottenValue{Revision: c.room.mu.history.forgotten}))
	if _, _, err := c.o.Store.Txn(ctx, nil, []Op{note}); err != nil && ctx.Err() == nil {
		c.log.Debug("not noted that history was forgotten", "error", err)
	}
}

// leadsHousekeeping reports whether this broker is the one that has history
// forgotten: once is enough.
func (c *Cluster) leadsHousekeeping() bool { return c.Image().Controller == c.o.Self.ID }

// sayRoom says it once when the store gets short of room, or has room again.
func (c *Cluster) sayRoom(r Room) {
	before, now := c.room.mu.state, c.o.Room.state(r)
	c.room.mu.state = now
	switch {
	case now == roomNone && before != roomNone:
		c.log.Error("metadata store is full: nothing can be added", "in use", r.InUse, "most", c.o.Room.most(r), "bytes", r.Bytes, "quota", r.Quota)
	case now == roomShort && before == roomPlenty:
		c.log.Warn("metadata store is nearly full", "in use", r.InUse, "most", c.o.Room.most(r))
	case now < before:
		c.log.Info("metadata store has room again", "in use", r.InUse, "most", c.o.Room.most(r))
	}
}

// RoomTaken is what is taken of the metadata store.
type RoomTaken struct {
	Room
	Most    int64  // that may be in use; beyond it nothing can be added
	Full    bool   // nothing can
	Problem string // what is wrong about it, or ""
}

// RoomTaken says what is taken of the metadata store, as it was looked at last;
// ok is false where that is not known.
func (c *Cluster) RoomTaken() (t RoomTaken, ok bool) {
	r := c.room.now.Load()
	if r == nil {
		return t, false
	}
	t.Room, t.Most = *r, c.o.Room.most(*r)
	switch c.o.Room.state(*r) {
	case roomNone:
		t.Full, t.Problem = true, c.fullText(*r)
	case roomShort:
		t.Problem = fmt.Sprintf("the metadata store is nearly full: %s of %s are in use; beyond that nothing can be added",
			mebibytes(r.InUse), mebibytes(t.Most))
	}
	return t, true
}

func (c *Cluster) fullText(r Room) string {
	if r.Full && !r.Ours {
		return "the metadata store takes no writes: etcd has raised NOSPACE; compact and defragment it, and disarm the alarm (etcdctl)"
	}
	if r.Full {
		return fmt.Sprintf("the metadata store takes no writes: its file has %s, and may have %s; room is being made", mebibytes(r.Bytes), mebibytes(r.Quota))
	}
	return fmt.Sprintf("the metadata store is full: %s are in use, and %s may be; delete topics or settings before others are added",
		mebibytes(r.InUse), mebibytes(c.o.Room.most(r)))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// admit refuses an addition for which there is no room. Before it does, it has
// history forgotten, and waits for that.
func (c *Cluster) admit(ctx context.Context) error {
	store, ok := c.o.Store.(*EtcdStore)
	for try := 0; ; try++ {
		r := c.room.now.Load()
		switch {
		case !ok || r == nil || c.o.Room.state(*r) != roomNone:
			return nil
		case try == admitTries || !r.Ours:
			return Refuse(ErrStoreFull, "Nothing can be added: %s.", c.fullText(*r))
		}
		c.lookAtRoom(ctx, store, true)
		if !sleep(ctx, roomPause) {
			return outOfTime(ctx)
		}
	}
}

// admitTries is how often an addition looks for room: etcd tells what is in use
// a moment after it has changed.
const admitTries = 5
