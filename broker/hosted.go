package broker

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// hosted is the set of partitions that this broker holds a replica of. One
// goroutine, run, makes it follow the Image; everyone else reads the snapshot.
//
//	open ──────────────► begun ──────────────────► stands
//	the log is folded    the broker is registered  the partition knows its
//	                                               leader, and follows or leads
type hosted struct {
	srv  *Server
	now  atomic.Pointer[shelf]
	host replica.Host

	// registered is the broker epoch in which this process registered first; 0
	// before. Only then may partitions begin.
	registered atomic.Int64
	kicked     chan struct{} // holds one signal at most: look again

	// Owned by run.
	kept     *keptLogs
	repaired *keptLogs            // that lockstep repair has cut: see repair.go
	life     protocol.BrokerEpoch // the broker epoch that the partitions were told of

	closedClean bool // close has closed all, and nothing had failed

	// settled is run's, for those who wait for it.
	settled struct {
		sync.Mutex
		revision int64                // of the image that was followed last
		began    protocol.BrokerEpoch // the broker epoch that the partitions have begun in; 0: none
		moved    chan struct{}        // closed and replaced when revision rises
	}
}

// shelf is an immutable snapshot: topics by name and by id.
type shelf struct {
	byName map[string]*topic
	byID   map[protocol.TopicID]*topic
	layers []settings.Layer // what stands behind the topics' own settings
}

// topic is one topic's partitions on this broker and what they share.
type topic struct {
	of       *coordinator.Topic // as the image has it
	name     string
	id       protocol.TopicID
	settings settings.Topic
	// compression is what batches are compressed by; nil: as they were sent.
	compression *record.Compression
	overrides   map[string]string
	partitions  []*partition // by index; nil where another broker hosts it or it would not open
	metrics     *topicMetrics
}

// partition is a hosted partition, or the reason why there is none.
type partition struct {
	*replica.Partition
	index  int32
	broken error        // set instead of Partition when the log would not open, or is lost
	whole  *segment.Log // of a broken log, what can be read; nil: nothing, or others have it
	log    *slog.Logger

	stood int32 // the partition epoch that it was told last; -1: none. Owned by the reconciler.
}

// damaged notes what a reader found: the replica goes offline until the broker
// starts anew. Damage is never served, and never skipped. That there is no
// descriptor to read by is none.
func (p *partition) damaged(err error) {
	if p != nil && !segment.Shortage(err) { // nil: it is known to be damaged, and read as far as it is whole
		p.Fail(err)
	}
}

// damage is why the partition is not to be read, or nil.
func (p *partition) damage() error {
	if !p.Failed() {
		return nil
	}
	if err := p.State().Err; err != nil {
		return err
	}
	return replica.ErrStorage
}

// checkEpoch compares the leader epoch that a client goes by (KIP-320); -1 is none.
func (p *partition) checkEpoch(epoch int32) error {
	switch have := int32(p.Epoch()); {
	case epoch < 0 || epoch == have:
		return nil
	case epoch < have:
		return kerr.FencedLeaderEpoch
	default:
		return kerr.UnknownLeaderEpoch
	}
}

func newHosted(s *Server) *hosted {
	h := &hosted{srv: s, kicked: make(chan struct{}, 1)}
	h.host = &attendant{s}
	h.now.Store(&shelf{})
	h.settled.revision, h.settled.moved = -1, make(chan struct{})
	return h
}

// topic returns a hosted topic by name.
func (h *hosted) topic(name string) *topic { return h.now.Load().byName[name] }

// topicByID returns a hosted topic by id.
func (h *hosted) topicByID(id protocol.TopicID) *topic { return h.now.Load().byID[id] }

// partition returns partition i, or nil.
func (t *topic) partition(i int32) *partition {
	if t == nil || i < 0 || int(i) >= len(t.partitions) {
		return nil
	}
	return t.partitions[i]
}

// run follows the image until ctx ends.
func (h *hosted) run(ctx context.Context) error {
	for {
		changed := h.srv.cluster.Changed()
		im := h.srv.cluster.Image()
		h.follow(ctx, im)
		h.settled.Lock()
		h.settled.revision, h.settled.began = im.Revision, h.life
		close(h.settled.moved)
		h.settled.moved = make(chan struct{})
		h.settled.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-h.kicked:
		}
	}
}

// begin lets the partitions begin: the broker is registered, in this epoch or a
// later one. It returns when they have.
func (h *hosted) begin(ctx context.Context, epoch protocol.BrokerEpoch) error {
	h.registered.Store(int64(epoch))
	select {
	case h.kicked <- struct{}{}:
	default:
	}
	return h.await(ctx, func() bool { return h.settled.began >= epoch })
}

// settle waits until the partitions are as the image of this moment says.
func (h *hosted) settle(ctx context.Context) error {
	want := h.srv.cluster.Image().Revision
	return h.await(ctx, func() bool { return h.settled.revision >= want })
}

// await returns when good, which is called under the lock of settled.
func (h *hosted) await(ctx context.Context, good func() bool) error {
	for {
		h.settled.Lock()
		ok, moved := good(), h.settled.moved
		h.settled.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// dir is DATA/logs/TOPIC-INDEX.TOPICID: the name is for people, the id keeps a
// topic that was deleted and created again apart.
func (h *hosted) dir(t *topic, index int32) string {
	return filepath.Join(h.srv.cfg.DataDir, "logs", fmt.Sprintf("%s-%d.%s", t.name, index, t.id))
}

func (h *hosted) partitionSettings(t settings.Topic) replica.Settings {
	var retentionMs, retentionBytes protocol.Limit
	if t.Delete {
		retentionMs, retentionBytes = protocol.LimitOf(t.RetentionMs), protocol.LimitOf(t.RetentionBytes)
	}
	segmentMs := t.SegmentMs
	if t.Compact {
		segmentMs = min(segmentMs, t.MaxCompactionLagMs) // what has to be compacted must be closed by then
	}
	return replica.Settings{
		Log: segment.Config{
			SegmentBytes: t.SegmentBytes, SegmentMs: segmentMs,
			IndexIntervalBytes: max(1, int64(t.IndexIntervalBytes)), // 0 and 1 are the same: every batch has an entry
			RetentionMs:        retentionMs, RetentionBytes: retentionBytes, Files: h.srv.files,
		},
		MinInsync:       int(t.MinInsyncReplicas),
		LogAppendTime:   t.TimestampType == settings.LogAppendTime,
		FlushMessages:   t.FlushMessages,
		FlushMs:         t.FlushMs,
		LockRetentionMs: protocol.LimitOf(t.LockRetentionMs),
		LockIDRetention: protocol.LimitOf(t.LockIDRetentionMs),
		ProducerMs:      h.srv.live.now().ProducerIDMs,
	}
}

// policy is the topic's conflict.policy.
func (t *topic) policy() conflict.Policy {
	switch t.settings.ConflictPolicy {
	case settings.ConflictOff:
		return conflict.Off
	case settings.ConflictRequired:
		return conflict.Required
	case settings.ConflictCarry:
		return conflict.Carry
	default:
		return conflict.Optional
	}
}

// each calls f for every open partition.
func (h *hosted) each(f func(*topic, *partition)) {
	for _, t := range h.now.Load().byName {
		for _, p := range t.partitions {
			if p != nil && p.Partition != nil {
				f(t, p)
			}
		}
	}
}

// eachOf is each for n partitions at once. One at a time costs no goroutine.
func (h *hosted) eachOf(n int, f func(*topic, *partition)) {
	if n == 1 {
		h.each(f)
		return
	}
	var g errgroup.Group
	g.SetLimit(n)
	h.each(func(t *topic, p *partition) {
		g.Go(func() error {
			f(t, p)
			return nil
		})
	})
	_ = g.Wait() // they return no error
}

// housekeep goes over the partitions: first what makes checkpoints, then the one
// sync of the lock base that they share, then what may drop segments.
func (h *hosted) housekeep(ctx context.Context) {
	round := func(what string, f func(*partition) error) {
		h.eachOf(int(h.srv.live.now().BackgroundThreads), func(t *topic, p *partition) {
			if ctx.Err() != nil {
				return
			}
			if err := f(p); err != nil {
				h.srv.log.Warn(what+" failed", "topic", t.name, "partition", p.index, "error", err)
			}
		})
	}
	round("housekeeping", func(p *partition) error { return p.Housekeep() })
	if err := h.srv.base.Sync(); err != nil {
		h.srv.log.Warn("lock base not synced; retention waits for it", "error", err)
		return
	}
	round("retention", func(p *partition) error { return p.Retain() })
}

// close closes all partitions, and notes whether all that they took in is on disk.
func (h *hosted) close() error {
	var g errgroup.Group
	g.SetLimit(int(h.srv.live.now().RecoveryThreads))
	var failed atomic.Bool
	h.each(func(t *topic, p *partition) {
		g.Go(func() error {
			err := p.Close()
			if err != nil || p.Failed() {
				failed.Store(true)
			}
			if err != nil {
				return fmt.Errorf("close %s-%d: %w", t.name, p.index, err)
			}
			return nil
		})
	})
	err := g.Wait()
	h.closeWhole()
	h.closedClean = !failed.Load()
	return err
}

// closeWhole closes what is read of broken logs.
func (h *hosted) closeWhole() {
	for _, t := range h.now.Load().byName {
		for _, p := range t.partitions {
			if p != nil && p.whole != nil {
				_ = p.whole.Close() // what is wrong with it is known
			}
		}
	}
}

// unsettled returns a partition that this broker leads, or is to lead, and of
// which it does not know yet what earlier leaders committed; or nil.
func (h *hosted) unsettled() (found *partition) {
	im := h.srv.cluster.Image()
	h.each(func(t *topic, p *partition) {
		if it, ok := im.TopicByID(t.id); ok && it.Partitions[p.index].Leader == h.srv.cfg.NodeID && p.unsettled() {
			found = p
		}
	})
	return found
}

func (p *partition) unsettled() bool {
	st := p.State()
	return st.Role != replica.RoleOffline && !st.Settled
}
