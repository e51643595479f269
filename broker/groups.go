package broker

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"

	"github.com/lockstep-log/lockstep/broker/coordination"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// groups serves consumer groups: a runtime of coordinators over the partitions of
// the offsets topic, and what they are shown of the metadata.
type groups struct {
	srv     *Server
	topic   *coordination.Topic
	runtime *coordination.Runtime[groupMachine]

	// Owned by the runtime's loop.
	image   *image.Image                 // that was followed last
	configs map[string]group.GroupConfig // what groups have set, as of that image
}

// groupShard is the coordinator of one partition of the offsets topic, in one leadership.
type groupShard = coordination.Shard[groupMachine]

func newGroups(s *Server) *groups {
	cfg := &s.cfg.Groups
	g := &groups{srv: s, topic: &coordination.Topic{
		Name: offsetsTopic, Purpose: "consumer groups",
		Partitions: cfg.OffsetsPartitions, Replicas: cfg.OffsetsReplicas, Configs: offsetsConfigs,
		Cluster: s.cluster, Self: s.cfg.NodeID, Logger: s.log, Settle: s.hosted.Settle,
	}}
	rules := cfg.rules()
	g.runtime = coordination.New(coordination.Options[groupMachine]{
		Name: "consumer groups", Partitions: &internalTopic{s, offsetsTopic}, Logger: s.log,
		New:           func() groupMachine { return groupMachine{group.New(rules, memberUUID), g} },
		Limits:        record.Limits{DecompressedBytesMax: s.cfg.DecompressedMax},
		CommitTimeout: cfg.CommitTimeout, Followed: g.followImage,
	})
	return g
}

func (g *groups) run(ctx context.Context) error {
	var growing sync.WaitGroup
	defer growing.Wait()
	growing.Go(func() { g.topic.Grow(ctx) })
	return g.runtime.Run(ctx)
}

// nowMs is the time by which sessions are measured.
func (g *groups) nowMs() int64 { return g.runtime.NowMs() }

// groupMachine is the coordinator of one partition as the runtime drives it.
type groupMachine struct {
	*group.Coordinator
	g *groups
}

var _ coordination.Machine = groupMachine{}

// Replay implements coordination.Machine.
func (m groupMachine) Replay(_ protocol.Offset, by coordination.Origin, r coordination.Record) error {
	switch {
	case by.Control:
		m.EndTransaction(int64(by.ProducerID), by.Commits)
		return nil
	case by.Transactional:
		return m.ReplayInTransaction(group.Producer{ID: int64(by.ProducerID), Epoch: int16(by.ProducerEpoch)}, r.Key, r.Value)
	}
	return m.Coordinator.Replay(r.Key, r.Value)
}

// Start implements coordination.Machine.
func (m groupMachine) Start(nowMs int64) coordination.Effects {
	m.SetTopics(imageTopics{m.g.srv.cluster.Image()})
	m.SetGroupConfigs(nowMs, m.g.configs)
	m.Coordinator.Start(nowMs)
	return coordination.Effects{}
}

// Tick implements coordination.Machine.
func (m groupMachine) Tick(nowMs int64) coordination.Effects {
	return groupEffects(m.Coordinator.Tick(nowMs))
}

// groupEffects are the runtime's words for what a command on groups has brought about.
func groupEffects(fx group.Effects) (out coordination.Effects) {
	if len(fx.Records) > 0 {
		records := make([]coordination.Record, len(fx.Records))
		for i, r := range fx.Records {
			records[i] = coordination.Record(r)
		}
		out.Writes = coordination.Records(records)
		if p := fx.Transaction; p != nil {
			out.Writes[0].By = &coordination.Origin{
				ProducerID: protocol.ProducerID(p.ID), ProducerEpoch: protocol.ProducerEpoch(p.Epoch), Transactional: true,
			}
		}
	}
	for _, r := range fx.Replies {
		out.Replies = append(out.Replies, coordination.Reply{Call: coordination.CallID(r.Call), Response: r.Response})
	}
	return out
}

// memberUUID is a random UUID, as the end of member ids is in Kafka.
func memberUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
