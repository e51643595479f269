package broker

import (
	"context"
	"errors"
	"sync"

	"github.com/lockstep-log/lockstep/broker/coordination"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// transactionsTopic is where transactions are kept.
const transactionsTopic = "__transaction_state"

// transactionsConfigs are the settings it is made with.
var transactionsConfigs = map[string]string{
	"cleanup.policy":   "compact",
	"compression.type": "uncompressed",
	"segment.bytes":    "104857600",
	"conflict.policy":  "off",
}

// transactions serves transactional producers: a runtime of coordinators over the
// partitions of the topic of transactions, and what carries out their decisions.
//
//	command ─► coordinator ─► record ─► committed ─► markers ─► leaders ─► all written ─► coordinator ─► answer
type transactions struct {
	srv     *Server
	topic   *coordination.Topic
	runtime *coordination.Runtime[txnMachine]
	markers *markerSender
	asking  sync.WaitGroup // those that fetch producer ids

	image *image.Image // that was followed last; owned by the runtime's loop
}

// txnShard is the coordinator of one partition of the topic, in one leadership.
type txnShard = coordination.Shard[txnMachine]

func newTransactions(s *Server) *transactions {
	cfg := &s.cfg.Transactions
	t := &transactions{srv: s, topic: &coordination.Topic{
		Name: transactionsTopic, Purpose: "transactions",
		Partitions: cfg.StatePartitions, Replicas: cfg.StateReplicas, Configs: transactionsConfigs,
		Cluster: s.cluster, Self: s.cfg.NodeID, Logger: s.log, Settle: s.hosted.Settle,
	}}
	t.markers = newMarkerSender(s, t.marked)
	rules := cfg.rules()
	t.runtime = coordination.New(coordination.Options[txnMachine]{
		Name: "transactions", Partitions: &internalTopic{s, transactionsTopic}, Logger: s.log,
		New:           func() txnMachine { return txnMachine{txn.New(rules, txnTopics{s.cluster.Image()}), t} },
		Limits:        record.Limits{DecompressedBytesMax: s.cfg.DecompressedMax},
		CommitTimeout: cfg.CommitTimeout, Followed: t.followImage,
	})
	return t
}

func (t *transactions) run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { t.topic.Grow(ctx) })
	beside.Go(func() { t.markers.run(ctx) })
	defer t.asking.Wait()
	return t.runtime.Run(ctx)
}

// nowMs is the time by which transactions are timed: that of day, since their
// timeouts outlive the process.
func (t *transactions) nowMs() int64 { return t.runtime.NowMs() }

// partitionOf is the partition of the topic that a transactional id belongs to: as
// Kafka has it, by the same hash as groups.
func (t *transactions) partitionOf(id string, n int32) int32 { return group.PartitionOf(id, n) }

// serve runs f in the loop with the shard that a transactional id belongs to, or with
// the reason why this broker does not serve it. See groups.serve.
func (t *transactions) serve(x *transport.Exchange, id string, f func(*txnShard, error)) {
	n, err := t.srv.partitionsOf(x, t.topic)
	x.ReleaseFrame()
	if err != nil {
		f(nil, err)
		return
	}
	t.runtime.Serve(t.partitionOf(id, n), f)
}

// serveHere is serve for who has no client's request, and where the topic exists.
func (t *transactions) serveHere(id string, f func(*txnShard, error)) {
	n, ok := t.topic.Count()
	if !ok {
		f(nil, errNoCoordinator)
		return
	}
	t.runtime.Serve(t.partitionOf(id, n), f)
}

// withProducerIDs runs a command in the loop, and again with a fresh producer id if
// it ran out of them. The command returns its error, and answers all others itself.
func (t *transactions) withProducerIDs(sh *txnShard, command func(*txnShard) error, refuse func(error)) {
	err := command(sh)
	if !errors.Is(err, txn.ErrNoProducerIDs) {
		return
	}
	index := sh.Index()
	t.asking.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), producerIDPatience)
		defer cancel()
		id, err := t.srv.ids.take(ctx)
		if err != nil {
			t.srv.log.Warn("no producer id to give to a transactional producer", "error", err)
			refuse(err)
			return
		}
		t.runtime.Serve(index, func(sh *txnShard, err error) {
			if err == nil {
				sh.Machine().GiveProducerIDs(int64(id))
				err = command(sh)
			}
			if err != nil && (sh == nil || errors.Is(err, txn.ErrNoProducerIDs)) {
				refuse(err)
			}
		})
	})
}

// followImage shows the coordinators the topics that there are. It is called in the
// runtime's loop.
func (t *transactions) followImage() {
	before, now := t.image, t.srv.cluster.Image()
	t.image = now
	t.markers.changed()
	if before != nil && sameTopics(before.Topics(), now.Topics()) {
		return
	}
	t.runtime.Each(func(sh *txnShard, err error) {
		if err == nil {
			sh.Apply(sh.Machine().effects(sh.Machine().SetTopics(t.nowMs(), txnTopics{now})))
		}
	})
}

// marked tells the coordinator of markers that are written. From any goroutine.
func (t *transactions) marked(index int32, m txn.Markers) {
	t.runtime.Serve(index, func(sh *txnShard, err error) {
		if err == nil {
			sh.Apply(sh.Machine().effects(sh.Machine().Marked(t.nowMs(), m)))
		}
	})
}

// txnTopics is an image as the coordinators of transactions see it.
type txnTopics struct{ *image.Image }

var _ txn.Topics = txnTopics{}

// Exists implements txn.Topics. A partition without a topic id was noted by Kafka.
func (im txnTopics) Exists(p txn.Partition) bool {
	t, ok := im.Image.Topic(p.Topic)
	return ok && p.Index >= 0 && int(p.Index) < len(t.Partitions) &&
		(p.TopicID == [16]byte{} || t.ID == protocol.TopicID(p.TopicID))
}

// txnMachine is the coordinator of one partition as the runtime drives it.
type txnMachine struct {
	*txn.Coordinator
	t *transactions
}

var _ coordination.Machine = txnMachine{}

// Replay implements coordination.Machine.
func (m txnMachine) Replay(_ protocol.Offset, by coordination.Origin, r coordination.Record) error {
	if by.Control {
		return nil
	}
	return m.Coordinator.Replay(r.Key, r.Value)
}

// Start implements coordination.Machine.
func (m txnMachine) Start(nowMs int64) coordination.Effects {
	fx := m.Coordinator.Start(nowMs)
	more := m.SetTopics(nowMs, txnTopics{m.t.srv.cluster.Image()}) // newer than at the beginning of the load
	fx.Records, fx.Markers = append(fx.Records, more.Records...), append(fx.Markers, more.Markers...)
	return m.effects(fx)
}

// Tick implements coordination.Machine.
func (m txnMachine) Tick(nowMs int64) coordination.Effects {
	return m.effects(m.Coordinator.Tick(nowMs))
}

// effects are the runtime's words for what a command has brought about. Markers go out
// when the end that they carry out is committed.
func (m txnMachine) effects(fx txn.Effects) (out coordination.Effects) {
	for _, r := range fx.Records {
		out.Writes = append(out.Writes, coordination.Write{Records: []coordination.Record{coordination.Record(r)}})
	}
	if len(fx.Markers) > 0 {
		out.Committed = func() {
			for _, markers := range fx.Markers {
				m.t.send(markers)
			}
		}
	}
	for _, r := range fx.Replies {
		out.Decided = append(out.Decided, coordination.Reply{Call: coordination.CallID(r.Call), Response: r})
	}
	return out
}

// send has markers written, in the coordinator epoch that this broker leads in now. It
// is called in the loop.
func (t *transactions) send(m txn.Markers) {
	n, ok := t.topic.Count()
	if !ok {
		return
	}
	index := t.partitionOf(m.TransactionalID, n)
	t.runtime.At(index, func(sh *txnShard, err error) {
		if err == nil {
			t.markers.send(ending{Markers: m, index: index, epoch: sh.Epoch})
		}
	})
}
