package replication

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// leader is broker 1 without a socket: real partitions on a disk, and what serves
// followers of them. Broker 2 is registered and nothing else: the test is it.
type leader struct {
	t        *testing.T
	cluster  *coordinator.Cluster
	host     *partitions.Host
	sessions *Sessions
}

func startLeader(t *testing.T) *leader {
	t.Helper()
	store := store.NewMemory(time.Now)
	joinCluster(t, store, 2)
	l := &leader{t: t, cluster: joinCluster(t, store, 1)}
	dir := t.TempDir()
	base, err := conflict.OpenBase(vfs.Default, filepath.Join(dir, "locks"))
	must(t, err)
	space, err := partitions.OpenDiskSpace(vfs.Default, dir, slog.New(slog.DiscardHandler))
	must(t, err)
	files := segment.NewFiles(vfs.Default, 64)
	peers := NewPeers(PeersOptions{NodeID: 1, InterBroker: "PLAINTEXT", Cluster: l.cluster, Logger: slog.New(slog.DiscardHandler)})
	fetchers := NewFetchers(FetchersOptions{
		NodeID: 1, Cluster: l.cluster, Peers: peers, FrameBytesMax: 1 << 20, BytesFetched: func(int) {}, Logger: slog.New(slog.DiscardHandler),
	})
	l.host, err = partitions.New(partitions.Options{
		FS: vfs.Default, DataDir: dir, NodeID: 1, Cluster: l.cluster, Base: base, Budget: conflict.NewBudget(1 << 20), Files: files, Space: space,
		Fetcher: fetchers, Metrics: noMetrics{}, Layers: func() []settings.Layer { return nil }, LayersChanged: func() {},
		DecompressedBytesMax: 1 << 20, LagTimeMax: time.Hour, NowMs: func() int64 { return time.Now().UnixMilli() }, Logger: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	defaults, err := settings.ParseBroker()
	must(t, err)
	l.host.ApplySettings(&defaults)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- l.host.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ran)
		must(t, l.host.Close())
		must(t, files.Close())
		must(t, base.Close())
	})
	must(t, l.host.Begin(ctx, l.cluster.BrokerEpoch()))
	l.sessions = NewSessions(SessionsOptions{
		NodeID: 1, Cluster: l.cluster, Host: l.host, Peers: peers,
		CodeOf: func(error) int16 { return -1 }, BytesSent: func(int) {}, Logger: slog.New(slog.DiscardHandler),
	})
	return l
}

// joinCluster registers a broker in the cluster of a store.
func joinCluster(t *testing.T, store store.Store, id protocol.BrokerID) *coordinator.Cluster {
	t.Helper()
	c, err := coordinator.Open(context.Background(), coordinator.Options{
		Store: store, Self: image.Broker{ID: id, DirectoryID: string(rune('0' + id))}, Logger: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran })
	must(t, c.Register(ctx, coordinator.Registration{}))
	return c
}

// create makes topic a, with as many partitions, led by broker 1.
func (l *leader) create(n int, replicas ...protocol.BrokerID) *partitions.Topic {
	l.t.Helper()
	t := plan.NewTopic{Name: "a", Partitions: -1, ReplicationFactor: -1, Assignment: map[int32][]protocol.BrokerID{}}
	for i := range int32(n) {
		t.Assignment[i] = replicas
	}
	_, err := l.cluster.CreateTopic(l.t.Context(), t, false)
	must(l.t, err)
	must(l.t, l.host.Settle(l.t.Context()))
	topic := l.host.Topic("a")
	for _, p := range topic.Partitions {
		l.await("broker 1 to lead", func() bool { return p.State().Role == replica.RoleLeader })
	}
	return topic
}

// append appends records of a size, each in a batch of its own.
func (l *leader) append(p *partitions.Partition, n, size int) {
	l.t.Helper()
	end := p.End()
	for range n {
		raw, err := record.NewBuilder(record.CodecNone).Add(record.Record{Timestamp: time.Now().UnixMilli(), Value: make([]byte, size)}).Build()
		must(l.t, err)
		b, err := record.Parse(raw, record.Limits{})
		must(l.t, err)
		p.Propose(&replica.Proposal{Batch: b, Acks: replica.AcksNone, Done: nobody{}})
	}
	l.await("the records to be written", func() bool { return p.End() == end+protocol.Offset(n) })
}

func (l *leader) await(what string, so func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// listed is a partition of topic a as a session of broker 2 has it when its records
// are to be sent.
func listed(ps *Session, t *partitions.Topic, index int32) *sessionPartition {
	part := &sessionPartition{
		session: ps, id: protocol.TopicPartition{Topic: t.ID, Index: index}, topic: t, host: t.Partition(index), state: fetchReady,
	}
	part.fetch = replica.Fetch{From: protocol.Member{ID: 2}, Epoch: part.host.Epoch()}
	ps.parts[part.id] = part
	return part
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// nobody waits for a proposal.
type nobody struct{}

func (nobody) Completed(*replica.Proposal) {}

type noMetrics struct{}

func (noMetrics) Topic(string) any   { return nil }
func (noMetrics) ForgetTopic(string) {}
func (noMetrics) LogSynced(float64)  {}
func (noMetrics) Elected()           {}
func (noMetrics) ISRChanged(bool)    {}
