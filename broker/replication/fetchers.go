package replication

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// FetchersOptions say what Fetchers stand on. All fields are needed.
type FetchersOptions struct {
	NodeID  protocol.BrokerID
	Cluster *coordinator.Cluster
	Peers   *Peers
	// FrameBytesMax bounds the frame of an answer: a leader sends no more than it
	// takes from its own clients, and what an answer holds beside.
	FrameBytesMax int32
	// BytesFetched counts the bytes of record batches that leaders have sent.
	BytesFetched func(n int)
	Logger       *slog.Logger
}

// Fetchers is the follower's side of replication: for each other broker a
// fetcher, which fetches for all partitions that this one follows there at once.
// With nothing to follow it goes on to fetch: by its answers, one every half a
// second at least, each broker knows that every other one lives.
//
//	partition's loop ─► Fetch ─► pending ─► fetcher ─► leader
//	                 ◄─ FetchAnswered ◄──── fetcher ◄──┘
//
// Fetch and StopFetch are called by the partitions' loops and only write down what
// is to be done. Run starts the fetchers and waits for them.
type Fetchers struct {
	o       FetchersOptions
	log     *slog.Logger
	logged  *rate.Limiter
	changed notify.Signal // a fetcher is to be started

	mu struct {
		sync.Mutex
		followers map[protocol.TopicPartition]*follower
		fetchers  map[protocol.BrokerID]*fetcher
		idle      []*fetcher // not started yet
	}
}

// follower is a partition that follows a leader. The Fetchers' mu guards it.
type follower struct {
	p          *replica.Partition
	fetcher    *fetcher
	fetch      replica.Fetch
	state      followerState
	request    int32 // listed: in which request of the connection
	connection int   // of its fetcher, in which it was listed last; 0: none
	pending    bool  // it is in its fetcher's pending
}

// followerState is where the fetch of a follower is.
type followerState uint8

const (
	followerIdle   followerState = iota // answered; the partition is to fetch again
	followerWants                       // to be listed
	followerListed                      // the leader has it, or is about to
)

// NewFetchers returns Fetchers that follow nobody yet.
func NewFetchers(o FetchersOptions) *Fetchers {
	f := &Fetchers{o: o, log: o.Logger, changed: notify.New()}
	f.logged = rate.NewLimiter(rate.Every(time.Second), logBurst)
	f.mu.followers = map[protocol.TopicPartition]*follower{}
	f.mu.fetchers = map[protocol.BrokerID]*fetcher{}
	return f
}

// Run starts the fetchers as they are needed, until ctx ends.
func (f *Fetchers) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		changed := f.o.Cluster.Changed()
		f.mu.Lock()
		for _, b := range f.o.Cluster.Image().Brokers() {
			if b.ID != f.o.NodeID {
				f.fetcher(b.ID) // what it leads or not: somebody has to notice when it falls silent
			}
		}
		idle := f.mu.idle
		f.mu.idle = nil
		f.mu.Unlock()
		for _, w := range idle {
			all.Go(func() { w.run(ctx) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.changed:
		case <-changed:
		}
	}
}

// Fetch has p's fetch sent to the leader. It never blocks.
func (f *Fetchers) Fetch(p *replica.Partition, leader protocol.BrokerID, q replica.Fetch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.fetcher(leader)
	fo := f.mu.followers[p.ID()]
	if fo != nil && (fo.p != p || fo.fetcher != w) {
		fo.leave()
		fo = nil
	}
	if fo == nil {
		fo = &follower{p: p, fetcher: w}
		f.mu.followers[p.ID()] = fo
		w.followers++
	}
	if fo.state == followerListed && fo.fetch == q {
		return // it waits for the answer already
	}
	fo.fetch = q
	fo.want()
}

// StopFetch ends the following of p.
func (f *Fetchers) StopFetch(p *replica.Partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fo := f.mu.followers[p.ID()]; fo != nil && fo.p == p {
		fo.leave()
	}
}

// Followers is how many partitions follow a leader.
func (f *Fetchers) Followers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.followers)
}

// HasAnswered reports whether a broker has answered a fetch of this one on the
// present connection.
func (f *Fetchers) HasAnswered(id protocol.BrokerID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.mu.fetchers[id]
	return w != nil && w.answered > 0
}

// fetcher is the one for a leader, which Run is to start if there was none. Callers hold mu.
func (f *Fetchers) fetcher(leader protocol.BrokerID) *fetcher {
	w := f.mu.fetchers[leader]
	if w == nil {
		w = newFetcher(f, leader)
		f.mu.fetchers[leader] = w
		f.mu.idle = append(f.mu.idle, w)
		f.changed.Notify()
	}
	return w
}

// want has the fetch listed in the next request.
func (fo *follower) want() {
	fo.state = followerWants
	if w := fo.fetcher; !fo.pending {
		fo.pending = true
		w.pending = append(w.pending, fo)
		w.changed.Notify()
	}
}

// leave takes the partition from its fetcher.
func (fo *follower) leave() {
	w := fo.fetcher
	id := fo.p.ID()
	delete(w.all.mu.followers, id)
	w.followers--
	fo.state = followerIdle
	if fo.connection == w.connection && w.connected {
		w.forgotten = append(w.forgotten, id)
		w.changed.Notify()
	}
}
