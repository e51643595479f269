package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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

// openersMax bounds how many partitions are opened side by side.
const openersMax = 4

// hosted is the set of partitions that this broker holds. One goroutine, run,
// makes it follow the Image; everyone else reads the snapshot.
type hosted struct {
	srv *Server
	now atomic.Pointer[shelf]

	// Owned by run; settled is for those who wait for it.
	settled struct {
		sync.Mutex
		revision int64
		moved    chan struct{} // closed and replaced when revision rises
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
	name       string
	id         protocol.TopicID
	settings   settings.Topic
	overrides  map[string]string
	partitions []*partition // by index; nil where another broker hosts it or it would not open
	metrics    *topicMetrics
}

// partition is a hosted partition, or the reason why there is none.
type partition struct {
	*replica.Partition
	index  int32
	broken error // set instead of Partition when the log would not open
	log    *slog.Logger
	hurt   atomic.Pointer[error] // damage found while reading
}

// damaged notes what a reader found. The partition is not read from again until
// the broker starts anew: damage is never served, and never skipped.
func (p *partition) damaged(err error) {
	if p.hurt.CompareAndSwap(nil, &err) {
		p.log.Error("partition is damaged and is not read from any more", "partition", p.index, "error", err)
	}
}

// damage is what damaged noted.
func (p *partition) damage() error {
	if err := p.hurt.Load(); err != nil {
		return *err
	}
	return nil
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
	h := &hosted{srv: s}
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
		h.settled.revision = im.Revision
		close(h.settled.moved)
		h.settled.moved = make(chan struct{})
		h.settled.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// settle waits until the partitions are as the image of this moment says.
func (h *hosted) settle(ctx context.Context) error {
	want := h.srv.cluster.Image().Revision
	for {
		h.settled.Lock()
		have, moved := h.settled.revision, h.settled.moved
		h.settled.Unlock()
		if have >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// follow opens, changes and closes what the image says.
func (h *hosted) follow(ctx context.Context, im *coordinator.Image) {
	old := h.now.Load()
	next := &shelf{
		byName: make(map[string]*topic, len(old.byName)), byID: make(map[protocol.TopicID]*topic, len(old.byID)),
		layers: h.srv.settingLayers(),
	}
	sameLayers := sameLayers(old.layers, next.layers)
	var opening errgroup.Group
	opening.SetLimit(openersMax)
	for _, it := range im.Topics() {
		t := h.followTopic(old.byID[it.ID], it, sameLayers, &opening)
		next.byName[t.name], next.byID[t.id] = t, t
	}
	opening.Wait()
	h.now.Store(next)
	for id, t := range old.byID {
		if next.byID[id] == nil {
			h.drop(t)
		}
	}
}

// followTopic returns the topic as the image has it. What did not change is
// shared with the old one.
func (h *hosted) followTopic(old *topic, it *coordinator.Topic, sameLayers bool, opening *errgroup.Group) *topic {
	if old != nil && sameLayers && len(old.partitions) == len(it.Partitions) && maps.Equal(old.overrides, it.Configs) {
		return old
	}
	parsed, err := settings.Parse(it.Configs, h.srv.settingLayers()...)
	if err != nil {
		h.srv.log.Error("topic settings do not parse; the defaults stand", "topic", it.Name, "error", err)
		parsed = settings.Default()
	}
	t := &topic{name: it.Name, id: it.ID, settings: parsed, overrides: it.Configs, partitions: make([]*partition, len(it.Partitions))}
	if old != nil {
		copy(t.partitions, old.partitions)
		t.metrics = old.metrics
		for _, p := range old.partitions {
			if p != nil && p.Partition != nil {
				p.SetSettings(h.partitionSettings(parsed))
			}
		}
	} else {
		t.metrics = h.srv.metrics.topic(it.Name)
	}
	for i, ip := range it.Partitions {
		if t.partitions[i] == nil && ip.Leader == h.srv.cfg.NodeID {
			opening.Go(func() error { t.partitions[i] = h.open(t, ip); return nil })
		}
	}
	return t
}

// open opens one partition's log. One that will not open stays closed and says
// why to everyone who asks; the others go on.
func (h *hosted) open(t *topic, ip coordinator.Partition) *partition {
	s := h.srv
	p, err := replica.Open(replica.Options{
		FS: s.fs, Dir: h.dir(t, ip.Index), ID: protocol.TopicPartition{Topic: t.id, Index: ip.Index},
		Base: s.base, Budget: s.budget, Self: s.cfg.NodeID, Host: unattended{},
		Settings: h.partitionSettings(t.settings), Limits: record.Limits{DecompressedBytesMax: s.cfg.DecompressedMax},
		NowMs: nowMs, Logger: s.log.With("topic", t.name), Synced: s.metrics.synced,
	})
	if err != nil {
		s.log.Error("partition stays closed", "topic", t.name, "partition", ip.Index, "error", err)
		return &partition{index: ip.Index, broken: err, log: s.log}
	}
	p.Begin(1)
	p.Stand(replica.Standing{
		Leader: s.cfg.NodeID, LeaderEpoch: ip.LeaderEpoch, Replicas: []protocol.BrokerID{s.cfg.NodeID},
		ISR: []replica.Member{{ID: s.cfg.NodeID, Incarnation: 1}},
	})
	return &partition{Partition: p, index: ip.Index, log: s.log.With("topic", t.name)}
}

// unattended is the Host of partitions that have no other replica.
type unattended struct{}

func (unattended) Fetch(*replica.Partition, protocol.BrokerID, replica.Fetch) {}
func (unattended) StopFetch(*replica.Partition)                               {}
func (unattended) AlterISR(*replica.Partition, replica.ISRChange)             {}
func (unattended) Resign(*replica.Partition)                                  {}
func (unattended) RoleChanged(*replica.Partition, *replica.State)             {}

// dir is DATA/logs/TOPIC-INDEX.TOPICID: the name is for people, the id keeps a
// topic that was deleted and created again apart.
func (h *hosted) dir(t *topic, index int32) string {
	return filepath.Join(h.srv.cfg.DataDir, "logs", fmt.Sprintf("%s-%d.%s", t.name, index, t.id))
}

func (h *hosted) partitionSettings(t settings.Topic) replica.Settings {
	retentionMs, retentionBytes := t.RetentionMs, t.RetentionBytes
	if !t.Delete {
		retentionMs, retentionBytes = -1, -1
	}
	return replica.Settings{
		Log: segment.Config{
			SegmentBytes: t.SegmentBytes, SegmentMs: t.SegmentMs, IndexIntervalBytes: int64(t.IndexIntervalBytes),
			RetentionMs: retentionMs, RetentionBytes: retentionBytes, Files: h.srv.files,
		},
		LogAppendTime:   t.TimestampType == settings.LogAppendTime,
		FlushMessages:   t.FlushMessages,
		FlushMs:         t.FlushMs,
		LockRetentionMs: t.LockRetentionMs,
		LockIDRetention: t.LockIDRetentionMs,
		ProducerMs:      h.srv.cfg.ProducerIDMs,
	}
}

// policy is the topic's conflict.policy.
func (t *topic) policy() conflict.Policy {
	switch t.settings.ConflictPolicy {
	case settings.ConflictOff:
		return conflict.Off
	case settings.ConflictRequired:
		return conflict.Required
	default:
		return conflict.Optional
	}
}

// drop closes a deleted topic and removes its data.
func (h *hosted) drop(t *topic) {
	h.srv.metrics.drop(t.name)
	for _, p := range t.partitions {
		if p == nil {
			continue
		}
		dir := h.dir(t, p.index)
		var err error
		if p.Partition != nil {
			err = p.Delete()
		}
		if err = errors.Join(err, h.srv.fs.RemoveAll(dir)); err != nil {
			h.srv.log.Error("a deleted topic's data is not all gone", "dir", dir, "error", err)
		}
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

// housekeep goes over the partitions: first what makes checkpoints, then the one
// sync of the lock base that they share, then what may drop segments.
func (h *hosted) housekeep(ctx context.Context) {
	round := func(what string, f func(*partition) error) {
		h.each(func(t *topic, p *partition) {
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

// close closes all partitions cleanly.
func (h *hosted) close() error {
	var g errgroup.Group
	g.SetLimit(openersMax)
	h.each(func(t *topic, p *partition) {
		g.Go(func() error {
			if err := p.Close(); err != nil {
				return fmt.Errorf("close %s-%d: %w", t.name, p.index, err)
			}
			return nil
		})
	})
	return g.Wait()
}
