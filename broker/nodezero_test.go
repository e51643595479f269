package broker

import (
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
)

// Node 0 is a node id like any other. What an answer says of it must be told
// from "none", which is -1 all over the protocol.
func TestNodeZeroIsNamedAsNodeZeroInEveryAnswer(t *testing.T) {
	s, cl := startServer(t, func(c *Config) { c.NodeID = 0; c.HTTPAddr = "127.0.0.1:0" })
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	produceAll(t, cl, "a", 0, 10, 100)

	m := ask[*kmsg.MetadataResponse](w, 12, metadataRequest("a"))
	p := m.Topics[0].Partitions[0]
	if len(m.Brokers) != 1 || m.Brokers[0].NodeID != 0 || m.ControllerID != 0 || p.Leader != 0 ||
		!slices.Equal(p.Replicas, []int32{0}) || !slices.Equal(p.ISR, []int32{0}) {
		t.Errorf("Metadata: brokers %+v, controller %d, partition %+v", m.Brokers, m.ControllerID, p)
	}
	d := ask[*kmsg.DescribeClusterResponse](w, 1, kmsg.NewPtrDescribeClusterRequest())
	if len(d.Brokers) != 1 || d.Brokers[0].NodeID != 0 || d.ControllerID != 0 {
		t.Errorf("DescribeCluster: brokers %+v, controller %d", d.Brokers, d.ControllerID)
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKeys = []string{"g"}
	if c := ask[*kmsg.FindCoordinatorResponse](w, 4, find).Coordinators[0]; c.NodeID != 0 || c.Port <= 0 {
		t.Errorf("FindCoordinator: %+v", c)
	}
	if id := text(w.described(ofBroker, "0", "node.id").Value); id != "0" {
		t.Errorf("node.id is described as %s", id)
	}
	w.change(ofBroker, "0", opSet, "log.retention.ms", "5000")
	if got := text(w.described(ofTopic, "a", "retention.ms").Value); got != "5000" {
		t.Errorf("a setting of broker 0 does not hold there: retention.ms is %s", got)
	}
	h := s.health()
	if !h.Healthy || h.Controller != 0 || !slices.Equal(h.Brokers, []protocol.BrokerID{0}) {
		t.Errorf("health: %+v", h)
	}
}

// Goal: a cluster numbered from 0 has three brokers, of which 0 leads, controls,
// follows and is read from by the consumers of its rack. Method: 0 is given the
// lead, loses it, follows and gets it back.
func TestNodeZeroLeadsFollowsAndIsReadFromAsAnyOther(t *testing.T) {
	ps := startPeersFrom(t, 0, 3)
	ps.create("a", 1, 0, 1, 2)
	ps.create("b", 1, 1, 0)
	produceAll(t, ps.client(), "a", 0, 50, 100)
	produceAll(t, ps.client(), "b", 0, 50, 100)
	if id := ps.leader("a", 0); id != 0 {
		t.Errorf("a is led by %d", id)
	}
	ps.awaitEqual("b", 0, 1, 0)
	for _, c := range []struct {
		topic, rack string
		at          protocol.BrokerID
		want        int32
	}{{"b", "rack-0", 1, 0}, {"b", "rack-1", 1, -1}, {"a", "rack-0", 0, -1}, {"a", "rack-2", 0, 2}, {"a", "", 0, -1}} {
		part := fetchOf(ps, c.at, c.topic, 12, 0, inRack(c.rack)).Topics[0].Partitions[0]
		if part.PreferredReadReplica != c.want || (len(part.RecordBatches) == 0) != (c.want >= 0) {
			t.Errorf("%s in %q: preferred replica %d with %d bytes, want %d", c.topic, c.rack, part.PreferredReadReplica, len(part.RecordBatches), c.want)
		}
	}
	cl := ps.client(kgo.Rack("rack-0"), kgo.ConsumeTopics("b"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for n := 0; n < 50; {
		n += cl.PollFetches(t.Context()).NumRecords()
	}

	ps.halt(0)
	if id := ps.leader("a", 0); id == 0 {
		ps.await("another leader", func() bool { return ps.leader("a", 0) != 0 })
	}
	produceAll(t, ps.client(), "a", 0, 50, 100)
	ps.restart(0)
	ps.awaitInSync("a", 0, 0)
	ps.awaitEqual("a", 0, 0, 1, 2)
	ps.await("0 to control", func() bool {
		for _, id := range []protocol.BrokerID{1, 2} {
			if ps.all[id].cluster.Image().Controller == id {
				ps.halt(id)
				ps.restart(id)
			}
		}
		return ps.all[0].cluster.Image().Controller == 0
	})
	if it, ok := ps.all[0].cluster.Image().Topic("a"); !ok || !it.Partitions[0].InSync(0) {
		t.Error("0 is not in sync")
	}
}

// Earlier versions made node 1 of --node-id 0: whoever upgrades is told.
func TestADirectoryThatNodeZeroWroteAsNodeOneIsRefusedWithTheWayOut(t *testing.T) {
	dir := t.TempDir()
	if _, err := partitions.ClaimIdentity(vfs.Default, dir, 1, ""); err != nil {
		t.Fatal(err)
	}
	_, err := partitions.ClaimIdentity(vfs.Default, dir, 0, "")
	const want = "this is node 0; give this broker a data directory of its own, or start it with --node-id 1, which is what earlier versions made of --node-id 0"
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got  %v\nwant … %s", err, want)
	}
}
