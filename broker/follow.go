package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// followers is the follower's side of replication: for each other broker a
// fetcher, which fetches for all partitions that this one follows there at once.
// With nothing to follow it goes on to ask: by its answers, one every half a
// second at least, each broker knows that every other one lives.
//
//	partition's loop ─► fetch ─► pending ─► fetcher ─► leader
//	                 ◄─ FetchAnswered ◄──── fetcher ◄──┘
//
// Fetch and StopFetch are called by the partitions' loops and only write down what is
// to be done. run starts the fetchers and waits for them.
type followers struct {
	srv      *Server
	throttle atomic.Pointer[rate.Limiter] // of what this broker, as a leader, sends to replicas that are not in sync; nil: none
	metrics  *peerMetrics
	logged   *rate.Limiter
	hired    chan struct{} // a fetcher is to be started, or a broker to be probed

	mu struct {
		sync.Mutex
		of       map[protocol.TopicPartition]*followed
		fetchers map[protocol.BrokerID]*fetcher
		idle     []*fetcher                                 // not started yet
		suspects []protocol.Member                          // whose connection to this broker ended
		met      map[protocol.BrokerID]protocol.BrokerEpoch // the newest epoch of each that was talked to, and is not known to be over
		running  bool
	}
}

// followed is a partition that follows a leader. The followers' mu guards it.
type followed struct {
	p       *replica.Partition
	fetcher *fetcher
	fetch   replica.Fetch
	state   followState
	request int32 // listed: in which request of the conversation
	talk    int   // in which conversation of its fetcher it was listed last; 0: none
	pending bool  // it is in its fetcher's pending
}

// followState is where the fetch of a followed partition is.
type followState uint8

const (
	followIdle   followState = iota // answered; the partition is to fetch again
	followWants                     // to be listed
	followListed                    // the leader has it, or is about to
)

func newFollowers(s *Server) *followers {
	f := &followers{srv: s, hired: make(chan struct{}, 1), logged: rate.NewLimiter(rate.Every(time.Second), peerLogBurst)}
	f.mu.of = map[protocol.TopicPartition]*followed{}
	f.mu.fetchers = map[protocol.BrokerID]*fetcher{}
	f.mu.met = map[protocol.BrokerID]protocol.BrokerEpoch{}
	f.metrics = newPeerMetrics(s)
	return f
}

// setThrottle bounds what this broker sends to replicas that are not in sync, in
// bytes a second; settings.Unthrottled lets them have all that there is.
func (f *followers) setThrottle(bytesPerSecond int64) { f.throttle.Store(throttleOf(bytesPerSecond)) }

// throttleOf is the limiter of a rate in bytes a second; nil for none.
func throttleOf(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond == settings.Unthrottled {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), peerLaggingBytes)
}

// run starts the fetchers as they are needed, until ctx ends.
func (f *followers) run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	f.mu.Lock()
	f.mu.running = true
	f.mu.Unlock()
	for {
		changed := f.srv.cluster.Changed()
		f.mu.Lock()
		for _, b := range f.srv.cluster.Image().Brokers() {
			if b.ID != f.srv.cfg.NodeID {
				f.fetcher(b.ID) // what it leads or not: somebody has to hear when it falls silent
			}
		}
		idle, suspects := f.mu.idle, f.mu.suspects
		f.mu.idle, f.mu.suspects = nil, nil
		f.mu.Unlock()
		for _, w := range idle {
			all.Go(func() { w.run(ctx) })
		}
		for _, m := range suspects {
			all.Go(func() { f.probe(ctx, m) })
		}
		select {
		case <-ctx.Done():
			f.mu.Lock()
			f.mu.running = false
			f.mu.Unlock()
			return nil
		case <-f.hired:
		case <-changed:
		}
	}
}

// Fetch has p's fetch sent to the leader. It never blocks.
func (f *followers) Fetch(p *replica.Partition, leader protocol.BrokerID, q replica.Fetch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.fetcher(leader)
	fo := f.mu.of[p.ID()]
	if fo != nil && (fo.p != p || fo.fetcher != w) {
		fo.leave()
		fo = nil
	}
	if fo == nil {
		fo = &followed{p: p, fetcher: w}
		f.mu.of[p.ID()] = fo
		w.mine++
	}
	if fo.state == followListed && fo.fetch == q {
		return // it waits for the answer already
	}
	fo.fetch = q
	fo.want()
}

// fetcher is the one for a leader, which run is to start if there was none. Callers hold mu.
func (f *followers) fetcher(leader protocol.BrokerID) *fetcher {
	w := f.mu.fetchers[leader]
	if w == nil {
		w = newFetcher(f, leader)
		f.mu.fetchers[leader] = w
		f.mu.idle = append(f.mu.idle, w)
		f.hire()
	}
	return w
}

// want has the fetch listed in the next request.
func (fo *followed) want() {
	fo.state = followWants
	if w := fo.fetcher; !fo.pending {
		fo.pending = true
		w.pending = append(w.pending, fo)
		w.nudge()
	}
}

// leave takes the partition from its fetcher.
func (fo *followed) leave() {
	w := fo.fetcher
	id := fo.p.ID()
	delete(w.all.mu.of, id)
	w.mine--
	fo.state = followIdle
	if fo.talk == w.talk && w.talking {
		w.forgotten = append(w.forgotten, id)
		w.nudge()
	}
}

// StopFetch ends the following of p.
func (f *followers) StopFetch(p *replica.Partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fo := f.mu.of[p.ID()]; fo != nil && fo.p == p {
		fo.leave()
	}
}

// suspect has a broker probed whose connection to this one has ended: if it is
// dead, the cluster should know before its lease runs out.
func (f *followers) suspect(m protocol.Member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.mu.running || len(f.mu.suspects) >= suspectsMax {
		return
	}
	f.mu.suspects = append(f.mu.suspects, m)
	f.hire()
}

// suspectsMax bounds the probes that wait to be started.
const suspectsMax = 64

func (f *followers) hire() {
	select {
	case f.hired <- struct{}{}:
	default:
	}
}
