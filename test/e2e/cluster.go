package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Cluster is brokers that are one cluster, with etcd embedded in each, in the order
// of their ids, which begin with First.
type Cluster struct {
	t       testing.TB
	First   int32
	Brokers []*Broker
}

// StartCluster starts n brokers, numbered from 1, on fresh directories and free ports
// of loopback, and waits until all are ready.
func StartCluster(t testing.TB, n int, args ...string) *Cluster {
	t.Helper()
	return StartClusterFrom(t, 1, n, args...)
}

// StartClusterFrom is StartCluster with a first id of choice.
func StartClusterFrom(t testing.TB, first int32, n int, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t, First: first}
	peers := make([]string, n)
	for i := range peers {
		peers[i] = fmt.Sprintf("%d=http://%s", first+int32(i), freeAddr(t))
	}
	dir := t.TempDir()
	for i := range n {
		id := fmt.Sprint(first + int32(i))
		own := []string{"--node-id", id, "--etcd-peers", strings.Join(peers, ","), "--rack", "rack-" + id}
		b := &Broker{
			t: t, bin: Binary(t), Dir: filepath.Join(dir, id), Addr: freeAddr(t), HTTP: freeAddr(t),
			args: append(own, args...), log: &syncBuffer{},
		}
		c.Brokers = append(c.Brokers, b)
		b.begin()
	}
	t.Cleanup(c.end)
	for _, b := range c.Brokers {
		b.awaitReady()
	}
	return c
}

// end kills what still runs: that stopping is clean, tests of their own show.
func (c *Cluster) end() {
	for i, b := range c.Brokers {
		b.Kill()
		if c.t.Failed() {
			c.t.Logf("the log of broker %d:\n%s", c.First+int32(i), b.log)
		}
	}
}

// Broker is a broker by its id.
func (c *Cluster) Broker(id int32) *Broker { return c.Brokers[id-c.First] }

// Client is a stock client of all brokers, as they were when it was made.
func (c *Cluster) Client(opts ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	var seeds []string
	for _, b := range c.Brokers {
		seeds = append(seeds, b.Addr)
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(cl.Close)
	return cl
}
