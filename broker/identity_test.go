package broker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

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

// keptOpen is a store that outlives the broker on it.
type keptOpen struct{ store.Store }

func (keptOpen) Close() error { return nil }
