package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// A broker that is stopped leads nothing any more when it goes, and its next
// life goes on from where it was: in the broker epoch that it noted.
func TestAStoppedBrokerHandsOverFirstAndComesBackInSync(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("kept", 6, 1, 2, 3)
	cl := ps.client()
	for i := range int32(6) {
		write(t, cl, "kept", i, 1000)
	}
	before := ps.all[1].cluster.BrokerEpoch()
	ps.halt(1)
	for i := range int32(6) {
		if p := ps.at(ps.all[2], "kept", i); p.Leader == 1 || p.Leader == protocol.NoBroker {
			t.Fatalf("partition %d is led by %d when the broker is gone", i, p.Leader)
		}
		write(t, cl, "kept", i, 2000)
	}
	if noted, err := partitions.ReadCleanShutdown(vfs.Default, ps.all[1].cfg.DataDir); err != nil || noted != before {
		t.Fatalf("it noted broker epoch %d (%v), and was %d", noted, err, before)
	}
	ps.restart(1)
	if noted, err := partitions.ReadCleanShutdown(vfs.Default, ps.all[1].cfg.DataDir); err != nil || noted != 0 {
		t.Fatalf("the note of the last stop is still there: %d, %v", noted, err)
	}
	for i := range int32(6) {
		ps.awaitInSync("kept", i, 1)
		ps.awaitEqual("kept", i, 2, 1, 3)
	}
	if b, _ := ps.all[2].cluster.Image().Broker(1); b.PreviousEpoch != before {
		t.Fatalf("it goes on from broker epoch %d, and was %d", b.PreviousEpoch, before)
	}
}

// The only copy of a partition is gone: nobody serves an empty one in its place,
// however often the broker is started.
func TestALostLogIsNotReplacedByAnEmptyOne(t *testing.T) {
	ps := startPeers(t, 2)
	ps.create("alone", 1, 1)
	write(t, ps.client(), "alone", 0, 1000)
	dir := ps.all[1].hosted.Dir(ps.all[1].hosted.Topic("alone"), 0)
	for range 2 {
		ps.halt(1)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		ps.restart(1)
		ps.await("the loss to be noticed", func() bool {
			h := ps.all[2].health()
			return len(h.Offline) == 1 && strings.Contains(h.Offline[0].Reason, "broker 1 has lost its log")
		})
		if h := ps.all[1].health(); h.Healthy || len(h.Offline) != 1 {
			t.Fatalf("health %+v", h)
		}
		if !missing(dir) {
			t.Fatal("the log was made anew")
		}
	}
}

// missing reports whether there is no such directory.
func missing(dir string) bool {
	_, err := os.Stat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// Where others have the log, a lost one is copied again.
func TestALostLogIsCopiedFromTheOthers(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("copied", 1, 1, 2, 3)
	cl := ps.client()
	write(t, cl, "copied", 0, 1000, 2000)
	dir := ps.all[1].hosted.Dir(ps.all[1].hosted.Topic("copied"), 0)
	ps.halt(1)
	write(t, cl, "copied", 0, 3000)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	ps.restart(1)
	ps.awaitInSync("copied", 0, 1)
	ps.awaitEqual("copied", 0, 2, 1, 3)
}

// A topic is known before its first log is made. A broker that dies in between
// has lost nothing.
func TestALogThatWasNeverMadeIsNotLost(t *testing.T) {
	ps := startPeers(t, 2)
	ps.create("young", 1, 1)
	dir := ps.all[1].hosted.Dir(ps.all[1].hosted.Topic("young"), 0)
	ps.halt(1)
	for _, gone := range []string{dir, filepath.Join(ps.all[1].cfg.DataDir, "logs.list")} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	ps.restart(1)
	write(t, ps.client(), "young", 0, 1000)
}

// A data directory belongs to one node of one cluster.
func TestADataDirectoryIsRefusedByAnotherNodeOrCluster(t *testing.T) {
	ps := startPeers(t, 1)
	ps.halt(1)
	id := ps.all[1].identity
	other := ps.all[1].cfg
	other.NodeID = 2
	for _, c := range []struct {
		cfg   Config
		store store.Store
		want  []string
	}{
		{other, keptOpen{ps.store}, []string{"written by node 1 of cluster " + id.Cluster, "this is node 2", "--node-id 1"}},
		{withClusterID(ps.all[1].cfg, "ZZZ"), keptOpen{ps.store}, []string{"node 1 of cluster " + id.Cluster, "cluster ZZZ is asked for"}},
		{ps.all[1].cfg, store.NewMemory(nil), []string{"belongs to node 1 of cluster " + id.Cluster, "empty"}},
		{ps.all[1].cfg, otherCluster(t), []string{"belongs to node 1 of cluster " + id.Cluster, "another cluster"}},
	} {
		err := runOn(t, c.cfg, c.store)
		for _, want := range c.want {
			if !errors.Is(err, partitions.ErrForeignDirectory) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	}
	ps.restart(1)
}

// A cluster may be given its name, and keeps it.
func TestAClusterIsMadeByTheNameItIsGiven(t *testing.T) {
	ps := startPeers(t, 1, func(c *Config) { c.ClusterID = "MkU3OEVBNTcwNTJENDM2Qk" })
	ps.halt(1)
	ps.restart(1)
	if got := ps.all[1].cluster.Image().ClusterID; got != "MkU3OEVBNTcwNTJENDM2Qk" {
		t.Fatalf("it is called %s", got)
	}
	other := withClusterID(ps.all[1].cfg, "ZZZ")
	other.NodeID, other.DataDir = 2, t.TempDir()
	err := runOn(t, other, keptOpen{ps.store})
	if !errors.Is(err, image.ErrClusterMismatch) || !strings.Contains(err.Error(), "ZZZ is asked for") {
		t.Fatalf("got %v", err)
	}
}

func withClusterID(c Config, id string) Config {
	c.ClusterID = id
	return c
}

// otherCluster is a store that holds a cluster of its own.
func otherCluster(t *testing.T) store.Store {
	t.Helper()
	store := store.NewMemory(nil)
	if _, err := coordinator.Open(t.Context(), coordinator.Options{Store: store, Self: image.Broker{ID: 9}}); err != nil {
		t.Fatal(err)
	}
	return store
}

// runOn runs a broker that is to end by itself.
func runOn(t *testing.T, cfg Config, store store.Store) error {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.store = store
	return s.Run(t.Context())
}

// Of two brokers with one id the second is refused, and the first goes on.
func TestASecondBrokerOfTheSameIDIsRefused(t *testing.T) {
	ps := startPeers(t, 1, func(c *Config) { c.SessionTimeout = 200 * time.Millisecond })
	twin := ps.all[1].cfg
	twin.DataDir = t.TempDir()
	err := runOn(t, twin, keptOpen{ps.store})
	if !errors.Is(err, coordinator.ErrBrokerIDTaken) || !strings.Contains(err.Error(), "register broker 1") {
		t.Fatalf("got %v", err)
	}
	ps.create("on", 1, 1)
	write(t, ps.client(), "on", 0, 1000)
}

// A client that comes to the wrong broker is told the right one (KIP-951), and
// only the leader answers for where its log ends.
func TestAWrongBrokerNamesTheLeader(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("led", 1, 2, 3)
	ps.partition(3, "led", 0)
	for _, at := range []protocol.BrokerID{1, 3} {
		w := dial(t, ps.all[at].Addr(""))
		for version := int16(9); version <= 11; version++ {
			req := kmsg.NewPtrProduceRequest()
			req.Acks, req.TimeoutMillis = -1, 1000
			req.Topics = []kmsg.ProduceRequestTopic{{Topic: "led", Partitions: []kmsg.ProduceRequestTopicPartition{
				{Partition: 0, Records: []byte("a leader would refuse this")}, {Partition: 1},
			}}}
			resp := ask[*kmsg.ProduceResponse](w, version, req)
			p := resp.Topics[0].Partitions[0]
			if p.ErrorCode != kerr.NotLeaderForPartition.Code {
				t.Fatalf("broker %d, v%d: code %d", at, version, p.ErrorCode)
			}
			if version < 10 {
				continue
			}
			if p.CurrentLeader.LeaderID != 2 || p.CurrentLeader.LeaderEpoch != 0 || len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != 2 ||
				ps.all[2].Addr("") != fmt.Sprintf("%s:%d", resp.Brokers[0].Host, resp.Brokers[0].Port) {
				t.Fatalf("broker %d, v%d: leader %+v at %+v", at, version, p.CurrentLeader, resp.Brokers)
			}
		}
		if got := w.at(7, "led", timeLatest).ErrorCode; got != kerr.NotLeaderForPartition.Code {
			t.Fatalf("broker %d tells where the log ends: code %d", at, got)
		}
	}
}

// With too few replicas in sync acks=all is refused, health says so, and reading
// goes on.
func TestHealthTellsWhatIsWrongAndWhy(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("wide", 1, 1, 2, 3)
	cl := ps.client(kgo.RecordRetries(0))
	write(t, cl, "wide", 0, 1000)
	if h := ps.all[1].health(); !h.Healthy || h.Degraded {
		t.Fatalf("all well: %+v", h)
	}
	ps.halt(3)
	ps.await("broker 3 to be missed", func() bool {
		behind := ps.all[1].health().UnderReplicated
		return len(behind) == 1 && behind[0].Reason == "broker 3 is down"
	})
	h := ps.all[1].health()
	if !h.Healthy || !h.Degraded || !slices.Equal(h.Brokers, []protocol.BrokerID{1, 2}) {
		t.Fatalf("one is down: %+v", h)
	}
	for name, want := range map[string]float64{
		"lockstep_partitions_led": 1, "lockstep_partitions_under_replicated": 1, "lockstep_partitions_under_min_isr": 0,
		"lockstep_partitions_leaderless": 0, "lockstep_partitions_offline": 0, "lockstep_metadata_store_available": 1,
	} {
		if got := gauge(t, ps.all[1].Server, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	write(t, cl, "wide", 0, 2000)
	ps.halt(2)
	ps.await("broker 2 to be missed", func() bool {
		h := ps.all[1].health()
		return len(h.UnderMinISR) == 1 && !h.Healthy &&
			h.UnderMinISR[0].Reason == "1 in sync, and acks=all asks for 2; broker 2 is down; broker 3 is down"
	})
	// The image shows it first; until its partition hears of it, the leader appends and waits.
	ps.await("broker 1 to know that it is alone", func() bool { return len(ps.partition(1, "wide", 0).State().ISR) == 1 })
	w := dial(t, ps.all[1].Addr(""))
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "wide", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: conditional(t, 0, nil)}}}}
	if code := ask[*kmsg.ProduceResponse](w, 11, req).Topics[0].Partitions[0].ErrorCode; code != kerr.NotEnoughReplicas.Code {
		t.Fatalf("acks=all with one in sync: code %d", code)
	}
	ps.store.SetDown(true)
	ps.await("the store to be missed", func() bool { return strings.Contains(ps.all[1].health().Store, "since") })
	ps.store.SetDown(false)
	ps.await("the store to be back", func() bool { return ps.all[1].health().Store == "available" })
	ps.restart(2)
	ps.restart(3)
	ps.await("all to be well", func() bool { h := ps.all[1].health(); return h.Healthy && !h.Degraded })
}

// A broker that waits for its peers can be stopped.
func TestABrokerThatWaitsForAQuorumCanBeStopped(t *testing.T) {
	s, err := New(Config{
		NodeID: 1, DataDir: t.TempDir(), Listeners: []Listener{{Addr: "127.0.0.1:0"}}, HTTPAddr: "127.0.0.1:0",
		EtcdPeers: map[protocol.BrokerID]string{1: "http://127.0.0.1:" + freePort(t), 2: "http://127.0.0.1:" + freePort(t)},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	w := httpStatus(t, s.HTTPAddr(), "/v1/status/ready")
	if w != 503 || httpStatus(t, s.HTTPAddr(), "/v1/status/live") != 200 {
		t.Errorf("ready: status %d", w)
	}
	stop()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
}

// gauge is a metric without labels.
func gauge(t *testing.T, s *Server, name string) float64 {
	t.Helper()
	all, err := s.metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// freePort is a port on loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

func httpStatus(t *testing.T, addr, path string) int {
	t.Helper()
	resp, err := http.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// keptOpen is a store that outlives the broker on it.
type keptOpen struct{ store.Store }

func (keptOpen) Close() error { return nil }
