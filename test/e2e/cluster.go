package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Cluster is brokers that are one cluster, with etcd embedded in each, by id
// from 1: broker i is Brokers[i-1].
type Cluster struct {
	t       testing.TB
	Brokers []*Broker
}

// StartCluster starts n brokers on fresh directories and free ports of loopback,
// and waits until all are ready.
func StartCluster(t testing.TB, n int, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	peers := make([]string, n)
	for i := range peers {
		peers[i] = fmt.Sprintf("%d=http://%s", i+1, freeAddr(t))
	}
	dir := t.TempDir()
	for i := range n {
		own := []string{"--node-id", fmt.Sprint(i + 1), "--etcd-peers", strings.Join(peers, ","), "--rack", fmt.Sprintf("rack-%d", i+1)}
		b := &Broker{
			t: t, bin: Binary(t), Dir: filepath.Join(dir, fmt.Sprint(i+1)), Addr: freeAddr(t), HTTP: freeAddr(t),
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
			c.t.Logf("the log of broker %d:\n%s", i+1, b.log)
		}
	}
}

// Broker is a broker by its id.
func (c *Cluster) Broker(id int32) *Broker { return c.Brokers[id-1] }

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
