package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	clusterTopic      = "ledger"
	clusterPartitions = 3
	clusterTimeout    = 60 * time.Second // for a machine that does other things as well
)

// writers writes numbered records to each partition of a cluster, one after the
// other, and notes what was acknowledged where.
type writers struct {
	t    *testing.T
	cl   *kgo.Client
	told [clusterPartitions]acked
	gaps [clusterPartitions]time.Duration // the longest between two acknowledgements, since take
	mu   sync.Mutex
}

func (w *writers) run(ctx context.Context, partition int32) {
	last := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		value := fmt.Sprintf("%d-%d", partition, n)
		r := &kgo.Record{Topic: clusterTopic, Partition: partition, Value: []byte(value)}
		if err := w.cl.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			w.t.Errorf("%s: %v", value, err)
			return
		}
		now := time.Now()
		w.mu.Lock()
		w.told[partition].at[r.Offset] = value
		w.gaps[partition] = max(w.gaps[partition], now.Sub(last))
		w.mu.Unlock()
		last = now
		time.Sleep(time.Millisecond)
	}
}

// take is the longest gap of all partitions since it was asked last.
func (w *writers) take() (gap time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.gaps {
		gap = max(gap, w.gaps[i])
		w.gaps[i] = 0
	}
	return gap
}

// Goal: three brokers lose nothing, and writers go on, while each of them is
// stopped, or killed, and started again. Method: stock idempotent producers write
// without a pause with acks=all; each broker in turn is stopped in order and
// killed. Then every acknowledged record is in the log once, at its offset, the
// audit finds nothing, and all replicas hold the same.
func TestAClusterGoesOnWhileItsBrokersAreStoppedAndKilled(t *testing.T) {
	c := StartCluster(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 4*clusterTimeout)
	defer cancel()
	w := &writers{t: t, cl: c.Client(kgo.ProducerLinger(0), kgo.MetadataMinAge(100*time.Millisecond))}
	if _, err := kadm.NewClient(w.cl).CreateTopic(ctx, clusterPartitions, -1, nil, clusterTopic); err != nil {
		t.Fatal(err)
	}
	working, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	for p := range int32(clusterPartitions) {
		w.told[p].at = map[int64]string{}
		all.Go(func() { w.run(working, p) })
	}
	for i, b := range c.Brokers {
		for _, end := range []struct {
			how string
			f   func()
		}{{"stopped", b.Stop}, {"killed", b.Kill}} {
			time.Sleep(300 * time.Millisecond)
			w.take()
			end.f()
			b.Restart()
			c.awaitInSync(ctx)
			t.Logf("broker %d is %s and comes back: the longest gap of a writer is %v", i+1, end.how, w.take())
		}
	}
	stop()
	all.Wait()
	for p := range int32(clusterPartitions) {
		c.check(p, w.told[p].at)
	}
	if out, stderr, code := c.Brokers[0].CLI("", "audit", clusterTopic); code != 0 {
		t.Errorf("audit: exit %d\n%s%s", code, out, stderr)
	}
}

// awaitInSync returns when every replica is in sync.
func (c *Cluster) awaitInSync(ctx context.Context) {
	c.t.Helper()
	for {
		var h struct {
			Healthy  bool
			Degraded bool
			Brokers  []int32
		}
		resp, err := http.Get("http://" + c.Brokers[0].HTTP + "/v1/cluster/health")
		if err == nil {
			err = json.NewDecoder(resp.Body).Decode(&h)
			resp.Body.Close()
		}
		if err == nil && h.Healthy && !h.Degraded && len(h.Brokers) == len(c.Brokers) {
			return
		}
		select {
		case <-ctx.Done():
			c.t.Fatalf("not all replicas come into sync: %+v, %v", h, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// check reads a partition and holds it against what was acknowledged.
func (c *Cluster) check(partition int32, told map[int64]string) {
	c.t.Helper()
	cl := c.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{clusterTopic: {partition: kgo.NewOffset().AtStart()}}))
	end := int64(0)
	for offset := range told {
		end = max(end, offset)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), clusterTimeout)
	defer cancel()
	var values []string
	for next := int64(0); next <= end; {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			c.t.Fatalf("partition %d cannot be read up to %d", partition, end)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if want, ok := told[r.Offset]; ok && want != string(r.Value) {
				c.t.Errorf("offset %d of partition %d holds %s, and %s was acknowledged there", r.Offset, partition, r.Value, want)
			}
			values = append(values, string(r.Value))
			next = r.Offset + 1
		})
	}
	if len(told) < 100 {
		c.t.Errorf("partition %d: only %d records were acknowledged: the test shows nothing", partition, len(told))
	}
	sorted := slices.Sorted(slices.Values(values))
	if once := slices.Compact(sorted); len(once) != len(values) {
		c.t.Errorf("partition %d holds %d records and %d different ones", partition, len(values), len(once))
	}
	if len(values) < len(told) {
		c.t.Errorf("partition %d holds %d records, and %d were acknowledged", partition, len(values), len(told))
	}
}

// A cluster that was stopped, or whose machine lost its power, comes back as a whole.
func TestAClusterComesBackAsAWhole(t *testing.T) {
	c := StartCluster(t, 3, "--topics", "a:3")
	if out, stderr, code := c.Brokers[0].CLI("one\ntwo\n", "produce", "a", "-p", "1"); code != 0 {
		t.Fatalf("produce: exit %d %s%s", code, out, stderr)
	}
	for range 2 {
		for _, end := range []func(*Broker){(*Broker).Stop, (*Broker).Kill} {
			var all sync.WaitGroup
			for _, b := range c.Brokers {
				all.Go(func() { end(b) })
			}
			all.Wait()
			for _, b := range c.Brokers {
				b.begin()
			}
			for _, b := range c.Brokers {
				b.awaitReady()
			}
			if out, stderr, code := c.Brokers[1].CLI("", "consume", "a", "-p", "1", "-o", "start", "-e", "-f", "%o=%v\n"); code != 0 || out != "0=one\n1=two\n" {
				t.Fatalf("consume: exit %d %q %s", code, out, stderr)
			}
		}
	}
}
