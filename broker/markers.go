package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

const (
	// markersPerRequest bounds the partitions of one request to a leader.
	markersPerRequest = 2000
	// markerRequestsMax is how many requests to one leader are under way. While there
	// are as many, what is to be sent gathers, and goes as one.
	markerRequestsMax = 4
	// A marker that could not be written is sent again after the first pause, which
	// doubles up to the last, or when the metadata has changed.
	markerPauseFirst = 10 * time.Millisecond
	markerPauseLast  = 500 * time.Millisecond
	// markerTimeoutMs is how long a partition may take over a marker before it is sent again.
	markerTimeoutMs = 1000
)

// ending is the end of a transaction whose markers are to be written.
type ending struct {
	txn.Markers
	index int32                // of the coordinator's partition
	epoch protocol.LeaderEpoch // of the coordinator
}

// marking is a marker on its way into one partition.
type marking struct {
	*ending
	partition txn.Partition
	due       time.Time // it is not sent before
	pause     time.Duration
}

// marker is what is written.
func (m *marking) marker() replica.Marker {
	return replica.Marker{
		Producer: protocol.ProducerID(m.ID), Epoch: protocol.ProducerEpoch(m.Epoch), Commit: m.Commit,
		CoordinatorEpoch: int32(m.epoch), Number: m.Number,
	}
}

// markerSender has markers written by the leaders of their partitions, and does not
// give up before they are, or the partition is gone, or this broker coordinates the
// transaction no more: whoever does then sends its own.
//
// One goroutine, run, owns what waits; a batch that is under way has a goroutine of
// its own.
type markerSender struct {
	srv     *Server
	written func(coordinator int32, m txn.Markers)
	wake    notify.Signal
	logged  *rate.Limiter
	batches sync.WaitGroup
	pending atomic.Int64 // markers that are not written yet

	waiting []*marking // run's

	mu struct {
		sync.Mutex
		incoming []*marking
		moved    bool // the metadata has changed: look at all that waits
		inFlight map[protocol.BrokerID]int
	}
}

func newMarkerSender(s *Server, written func(int32, txn.Markers)) *markerSender {
	ms := &markerSender{srv: s, written: written, wake: notify.New(), logged: rate.NewLimiter(rate.Every(time.Second), 1)}
	ms.mu.inFlight = map[protocol.BrokerID]int{}
	return ms
}

// send takes an end on.
func (ms *markerSender) send(e ending) {
	ms.pending.Add(int64(len(e.Partitions)))
	ms.mu.Lock()
	for _, p := range e.Partitions {
		ms.mu.incoming = append(ms.mu.incoming, &marking{ending: &e, partition: p, pause: markerPauseFirst})
	}
	ms.mu.Unlock()
	ms.wake.Notify()
}

// changed tells that the metadata has: what waits for a leader may have one.
func (ms *markerSender) changed() {
	ms.mu.Lock()
	ms.mu.moved = true
	ms.mu.Unlock()
	ms.wake.Notify()
}

func (ms *markerSender) run(ctx context.Context) {
	defer ms.batches.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(ms.round(ctx))
		select {
		case <-ctx.Done():
		case <-ms.wake:
		case <-timer.C:
		}
	}
}

// round sends what can be sent, and says when there will be more.
func (ms *markerSender) round(ctx context.Context) (wait time.Duration) {
	ms.mu.Lock()
	all, moved := append(ms.waiting, ms.mu.incoming...), ms.mu.moved
	ms.mu.incoming, ms.mu.moved = nil, false
	ms.mu.Unlock()
	ms.waiting, wait = nil, time.Hour
	if len(all) == 0 {
		return wait
	}
	im, now := ms.srv.cluster.Image(), time.Now()
	batches := make(map[protocol.BrokerID][]*marking)
	for _, m := range all {
		leader, wanted := ms.leaderOf(im, m)
		switch {
		case !wanted:
			ms.pending.Add(-1)
			continue
		case m.due.After(now) && !moved:
			wait = min(wait, m.due.Sub(now))
		case leader == protocol.NoBroker:
			m.later(now)
			wait = min(wait, m.pause)
		default:
			batches[leader] = append(batches[leader], m)
			continue
		}
		ms.waiting = append(ms.waiting, m)
	}
	for leader, batch := range batches {
		ms.dispatch(ctx, leader, batch)
	}
	return wait
}

// later puts a marker off.
func (m *marking) later(now time.Time) {
	m.due = now.Add(m.pause)
	m.pause = min(2*m.pause, markerPauseLast)
}

// leaderOf is who is to write a marker, or nobody for now. Unwanted is one whose
// partition is gone, or whose transaction is another coordinator's by now.
func (ms *markerSender) leaderOf(im *image.Image, m *marking) (leader protocol.BrokerID, wanted bool) {
	state, ok := im.Topic(transactionsTopic)
	if !ok || int(m.index) >= len(state.Partitions) {
		return protocol.NoBroker, false
	}
	if own := &state.Partitions[m.index]; own.Leader != ms.srv.cfg.NodeID || own.LeaderEpoch != m.epoch {
		return protocol.NoBroker, own.LeaderEpoch <= m.epoch && own.Leader == ms.srv.cfg.NodeID
	}
	if !(txnTopics{im}).Exists(m.partition) {
		return protocol.NoBroker, false
	}
	t, _ := im.Topic(m.partition.Topic)
	leader = t.Partitions[m.partition.Index].Leader
	if _, live := im.Broker(leader); !live {
		return protocol.NoBroker, true
	}
	return leader, true
}

// dispatch sends markers to one leader, as many requests as may be under way. What is
// left waits until one of them is answered.
func (ms *markerSender) dispatch(ctx context.Context, leader protocol.BrokerID, all []*marking) {
	for len(all) > 0 {
		ms.mu.Lock()
		full := ms.mu.inFlight[leader] >= markerRequestsMax
		if !full {
			ms.mu.inFlight[leader]++
		}
		ms.mu.Unlock()
		if full {
			ms.waiting = append(ms.waiting, all...)
			return
		}
		batch := all[:min(len(all), markersPerRequest)]
		all = all[len(batch):]
		ms.batches.Go(func() {
			errs := ms.deliver(ctx, leader, batch)
			ms.delivered(leader, batch, errs)
		})
	}
}

// deliver has a batch written, and returns what became of each marker.
func (ms *markerSender) deliver(ctx context.Context, leader protocol.BrokerID, batch []*marking) []error {
	if leader != ms.srv.cfg.NodeID {
		return ms.srv.askForMarkers(ctx, leader, batch)
	}
	errs := make([]error, len(batch))
	var all sync.WaitGroup
	all.Add(len(batch))
	for i, m := range batch {
		ms.srv.writeMarker(m.partition.Topic, m.partition.Index, m.marker(), func(err error) {
			errs[i] = err
			all.Done()
		})
	}
	all.Wait()
	return errs
}

// delivered tells the coordinators what is written, and has the rest sent again. A
// partition that knows a newer epoch of the producer has nothing that the marker could
// end: to wait for it would hold the transaction up for ever.
func (ms *markerSender) delivered(leader protocol.BrokerID, batch []*marking, errs []error) {
	written := make(map[*ending][]txn.Partition)
	var again []*marking
	now := time.Now()
	for i, m := range batch {
		switch code := codeOf(errs[i]); code {
		case 0:
			written[m.ending] = append(written[m.ending], m.partition)
		case kerr.InvalidProducerEpoch.Code, kerr.TransactionCoordinatorFenced.Code:
			ms.srv.log.Warn("a marker is not taken: the partition knows a newer one of its producer", "topic", m.partition.Topic,
				"partition", m.partition.Index, "transactional_id", protocol.PrintableShort(m.TransactionalID), "producer", m.ID, "error", errs[i])
			written[m.ending] = append(written[m.ending], m.partition)
		default:
			if ms.logged.Allow() && m.pause >= markerPauseLast {
				ms.srv.log.Warn("a marker cannot be written yet", "topic", m.partition.Topic, "partition", m.partition.Index,
					"leader", leader, "transactional_id", protocol.PrintableShort(m.TransactionalID), "error", errs[i])
			}
			m.later(now)
			again = append(again, m)
		}
	}
	ms.pending.Add(int64(len(again) - len(batch)))
	ms.mu.Lock()
	ms.mu.inFlight[leader]--
	ms.mu.incoming = append(ms.mu.incoming, again...)
	ms.mu.Unlock()
	ms.wake.Notify()
	for e, partitions := range written {
		m := e.Markers
		m.Partitions = partitions
		ms.written(e.index, m)
	}
}
