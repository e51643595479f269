package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// peers is brokers in one process, on real sockets and disks, whose metadata is
// one store in memory.
type peers struct {
	t     *testing.T
	store *store.Memory
	all   map[protocol.BrokerID]*peer
}

// peer is one of them in one life.
type peer struct {
	*Server
	cfg  Config
	stop context.CancelFunc
	ran  chan error
}

// sharedStore is a store that outlives the brokers on it.
type sharedStore struct{ store.Store }

func (sharedStore) Close() error { return nil }

// losableStore is one broker's way to a shared store, which it may lose.
type losableStore struct {
	sharedStore
	lost   atomic.Bool                   // nothing can be written
	frozen atomic.Pointer[chan struct{}] // until it is closed, what has changed is kept from the broker; nil: it is not
}

// freeze keeps from the broker what changes from now on, until thaw is called.
func (s *losableStore) freeze() (thaw func()) {
	until := make(chan struct{})
	s.frozen.Store(&until)
	return func() { s.frozen.Store(nil); close(until) }
}

// Watch implements store.Store.
func (s *losableStore) Watch(ctx context.Context, prefix string, from int64) <-chan store.Update {
	in, out := s.Store.Watch(ctx, prefix, from), make(chan store.Update)
	go func() { // ends with in
		defer close(out)
		for u := range in {
			if until := s.frozen.Load(); until != nil {
				select {
				case <-*until:
				case <-ctx.Done():
				}
			}
			select {
			case out <- u:
			case <-ctx.Done():
			}
		}
	}()
	return out
}

func (s *losableStore) Txn(ctx context.Context, compares []store.Compare, ops []store.Op) (bool, int64, error) {
	if s.lost.Load() {
		return false, 0, store.ErrUnavailable
	}
	return s.Store.Txn(ctx, compares, ops)
}

// startPeers starts n brokers, numbered from 1.
func startPeers(t *testing.T, n int, opts ...func(*Config)) *peers {
	t.Helper()
	return startPeersFrom(t, 1, n, opts...)
}

func startPeersFrom(t *testing.T, first protocol.BrokerID, n int, opts ...func(*Config)) *peers {
	t.Helper()
	ps := &peers{t: t, store: store.NewMemory(time.Now), all: map[protocol.BrokerID]*peer{}}
	dir := t.TempDir() // its cleanup comes after close
	t.Cleanup(ps.close)
	var starting sync.WaitGroup
	for id := first; id < first+protocol.BrokerID(n); id++ {
		cfg := Config{
			NodeID: id, DataDir: filepath.Join(dir, fmt.Sprint(id)), DefaultReplicationFactor: int16(n),
			Listeners: []Listener{{Name: "PLAINTEXT", Addr: "127.0.0.1:0"}},
			Rack:      fmt.Sprintf("rack-%d", id),
			Logger:    slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelInfo})).With("broker", id),
		}
		for _, o := range opts {
			o(&cfg)
		}
		ps.all[id] = ps.begin(cfg)
	}
	for _, p := range ps.all {
		starting.Go(p.waitReady(t))
	}
	starting.Wait()
	for id, p := range ps.all {
		ps.await(fmt.Sprintf("broker %d to know all", id), func() bool { return len(p.cluster.Image().Brokers()) == n })
	}
	return ps
}

func (ps *peers) begin(cfg Config) *peer {
	ps.t.Helper()
	s, err := New(cfg)
	if err != nil {
		ps.t.Fatal(err)
	}
	s.store = &losableStore{sharedStore: sharedStore{ps.store}}
	ctx, stop := context.WithCancel(context.Background())
	p := &peer{Server: s, cfg: cfg, stop: stop, ran: make(chan error, 1)}
	go func() { p.ran <- s.Run(ctx) }()
	return p
}

func (p *peer) waitReady(t *testing.T) func() {
	return func() {
		select {
		case <-p.Ready():
		case err := <-p.ran:
			p.ran <- nil
			t.Errorf("broker %d ended before it was ready: %v", p.cfg.NodeID, err)
		}
	}
}

func (ps *peers) close() {
	for _, p := range ps.all {
		p.stop()
	}
	for id, p := range ps.all {
		if err := <-p.ran; err != nil && !errors.Is(err, context.Canceled) {
			ps.t.Errorf("broker %d: %v", id, err)
		}
	}
	ps.store.Close()
}

// halt stops a broker as an operator would, and waits for it.
func (ps *peers) halt(id protocol.BrokerID) {
	ps.t.Helper()
	p := ps.all[id]
	p.stop()
	if err := <-p.ran; err != nil {
		ps.t.Fatalf("broker %d: %v", id, err)
	}
	p.ran <- nil
}

// restart starts a halted broker where it was.
func (ps *peers) restart(id protocol.BrokerID) {
	ps.t.Helper()
	cfg := ps.all[id].cfg
	ps.all[id] = ps.begin(cfg)
	ps.all[id].waitReady(ps.t)()
}

// leader is who leads a partition, as the metadata says.
func (ps *peers) leader(topic string, index int32) (id protocol.BrokerID) {
	ps.t.Helper()
	id = protocol.NoBroker
	ps.await("a leader", func() bool {
		for _, p := range ps.all {
			if it, ok := p.cluster.Image().Topic(topic); ok {
				id = it.Partitions[index].Leader
			}
		}
		return id != protocol.NoBroker
	})
	return id
}

// awaitInSync waits until the metadata shows a replica in sync.
func (ps *peers) awaitInSync(topic string, index int32, id protocol.BrokerID) {
	ps.t.Helper()
	ps.await(fmt.Sprintf("broker %d to be in sync", id), func() bool {
		it, ok := ps.all[id].cluster.Image().Topic(topic)
		return ok && it.Partitions[index].InSync(id)
	})
}

// client is a stock client of all brokers.
func (ps *peers) client(opts ...kgo.Opt) *kgo.Client {
	ps.t.Helper()
	var seeds []string
	for _, p := range ps.all {
		seeds = append(seeds, p.Addr(""))
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10 * time.Millisecond)}, opts...)...)
	if err != nil {
		ps.t.Fatal(err)
	}
	ps.t.Cleanup(cl.Close)
	return cl
}

// create makes a topic on the given replicas, the first of which leads.
func (ps *peers) create(name string, partitions int, replicas ...int32) {
	ps.t.Helper()
	ps.createAt(protocol.BrokerID(replicas[0]), name, partitions, replicas...)
}

// createAt is create, asked of a broker of choice.
func (ps *peers) createAt(at protocol.BrokerID, name string, partitions int, replicas ...int32) {
	ps.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, -1, -1
	for i := range partitions {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(i), replicas
		rt.ReplicaAssignment = append(rt.ReplicaAssignment, a)
	}
	req.Topics, req.TimeoutMillis = append(req.Topics, rt), 10_000
	w := dial(ps.t, ps.all[at].Addr(""))
	if resp := ask[*kmsg.CreateTopicsResponse](w, 7, req); resp.Topics[0].ErrorCode != 0 {
		ps.t.Fatalf("create %s: code %d", name, resp.Topics[0].ErrorCode)
	}
}

// partition is a broker's copy of a partition, once it is there.
func (ps *peers) partition(id protocol.BrokerID, topic string, index int32) *replica.Partition {
	ps.t.Helper()
	var p *partitions.Partition
	ps.await("the partition to be opened", func() bool {
		p = ps.all[id].hosted.Topic(topic).Partition(index)
		return p.IsOpen()
	})
	return p.Partition
}

// patience bounds what a test waits for. No test passes by its running out.
const patience = time.Minute

// await waits until something is so; a test that waits in vain is broken.
func (ps *peers) await(what string, so func() bool) {
	ps.t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			ps.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// awaitEqual waits until every replica has the log and the high watermark of the
// first, and compares them byte for byte.
func (ps *peers) awaitEqual(topic string, index int32, brokers ...protocol.BrokerID) {
	ps.t.Helper()
	first := ps.partition(brokers[0], topic, index)
	want := logBytes(ps.t, first)
	for _, id := range brokers[1:] {
		p := ps.partition(id, topic, index)
		ps.await(fmt.Sprintf("broker %d to have all of %s-%d", id, topic, index), func() bool {
			return p.End() == first.End() && p.HighWatermark() == first.HighWatermark()
		})
		if got := logBytes(ps.t, p); string(got) != string(want) {
			ps.t.Fatalf("broker %d has %d bytes of %s-%d, and broker %d %d others", id, len(got), topic, index, brokers[0], len(want))
		}
	}
}

func logBytes(t *testing.T, p *replica.Partition) (all []byte) {
	t.Helper()
	for from := p.Start(); from < p.End(); {
		r, err := p.Log().Read(from, p.End(), 1<<30, true)
		if err != nil {
			t.Fatal(err)
		}
		if all, err = r.AppendTo(all); err != nil {
			t.Fatal(err)
		}
		from = r.NextOffset()
		r.Close()
	}
	return all
}
