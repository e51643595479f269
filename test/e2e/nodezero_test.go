package e2e

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Goal: a cluster that is numbered from 0, as compose files do, is three brokers.
// Method: 0 leads what it is given, is killed, and comes back on its directory.
func TestAClusterNumberedFromZeroHasABrokerZero(t *testing.T) {
	c := StartClusterFrom(t, 0, 3)
	ctx, cancel := context.WithTimeout(t.Context(), clusterTimeout)
	defer cancel()
	cl := c.Client(kgo.ProducerLinger(0))
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 3, nil, clusterTopic); err != nil {
		t.Fatal(err)
	}
	write := func() {
		t.Helper()
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: clusterTopic, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	write()
	c.Broker(0).Kill()
	write()
	c.Broker(0).Restart()
	c.awaitInSync(ctx)
	out, stderr, code := c.Broker(0).CLI("", "cluster", "brokers", "--format", "json")
	var brokers []struct {
		ID       int32
		Live     bool
		Replicas int
	}
	if err := json.Unmarshal([]byte(out), &brokers); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, stderr)
	}
	if len(brokers) != 3 || brokers[0].ID != 0 || !brokers[0].Live || brokers[0].Replicas != 1 {
		t.Errorf("brokers %+v", brokers)
	}
}
