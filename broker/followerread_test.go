package broker

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// fetchOf asks for one partition from an offset on.
func fetchOf(ps *peers, at protocol.BrokerID, topic string, version int16, offset int64, set ...func(*kmsg.FetchRequest)) *kmsg.FetchResponse {
	ps.t.Helper()
	it, _ := ps.all[at].cluster.Image().Topic(topic)
	req := kmsg.NewPtrFetchRequest()
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = topic, it.ID
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes = offset, 1<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics, req.MaxBytes = append(req.Topics, rt), 1<<20
	for _, f := range set {
		f(req)
	}
	return ask[*kmsg.FetchResponse](dial(ps.t, ps.all[at].Addr("")), version, req)
}

func inRack(rack string) func(*kmsg.FetchRequest) {
	return func(r *kmsg.FetchRequest) { r.Rack = rack }
}

func TestConsumerIsSentToTheReplicaInItsRack(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("a", 1, 1, 2)
	produceAll(t, ps.client(), "a", 0, 10, 100)
	for _, c := range []struct {
		rack string
		want int32
	}{{"rack-2", 2}, {"rack-1", -1}, {"rack-3", -1}, {"", -1}} {
		part := fetchOf(ps, 1, "a", 12, 0, inRack(c.rack)).Topics[0].Partitions[0]
		if part.PreferredReadReplica != c.want || part.ErrorCode != 0 || (len(part.RecordBatches) == 0) != (c.want > 0) {
			t.Errorf("rack %q: preferred replica %d with %d bytes and code %d, want %d", c.rack, part.PreferredReadReplica, len(part.RecordBatches), part.ErrorCode, c.want)
		}
	}
	if part := fetchOf(ps, 1, "a", 10, 0).Topics[0].Partitions[0]; len(part.RecordBatches) == 0 {
		t.Error("a client that knows of no racks gets nothing")
	}
}

func TestFollowerServesReadersUpToItsHighWatermark(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("a", 1, 1, 2)
	produceAll(t, ps.client(), "a", 0, 100, 100)
	ps.awaitEqual("a", 0, 1, 2)
	leaders := fetchOf(ps, 1, "a", 12, 0).Topics[0].Partitions[0]
	followers := fetchOf(ps, 2, "a", 12, 0).Topics[0].Partitions[0]
	if string(leaders.RecordBatches) != string(followers.RecordBatches) || followers.HighWatermark != 100 {
		t.Errorf("the follower gives %d bytes up to %d, the leader %d", len(followers.RecordBatches), followers.HighWatermark, len(leaders.RecordBatches))
	}
	for _, c := range []struct {
		at     protocol.BrokerID
		v      int16
		offset int64
		want   *kerr.Error
	}{
		{2, 10, 0, kerr.NotLeaderForPartition}, // its clients do not know of followers
		{2, 12, 101, kerr.OffsetNotAvailable},  // the leader may have more
		{1, 12, 101, kerr.OffsetOutOfRange},
	} {
		if code := fetchOf(ps, c.at, "a", c.v, c.offset).Topics[0].Partitions[0].ErrorCode; code != c.want.Code {
			t.Errorf("fetch v%d at %d of broker %d: code %d, want %s", c.v, c.offset, c.at, code, c.want.Message)
		}
	}
}

func TestConsumerInARackReadsAllFromItsFollower(t *testing.T) {
	ps := startPeers(t, 2)
	ps.create("a", 1, 1, 2)
	before := ps.all[2].fetchedBytes(t, "a")
	produceAll(t, ps.client(), "a", 0, 500, 1000)
	cl := ps.client(kgo.Rack("rack-2"), kgo.ConsumeTopics("a"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for n := 0; n < 500; {
		n += cl.PollFetches(context.Background()).NumRecords()
	}
	// An answer is counted when it is sent, and may be read before that. The values compress well.
	ps.await("the follower's answers to be counted", func() bool { return ps.all[2].fetchedBytes(t, "a")-before >= 500*1000/20 })
}

// fetchedBytes is the count of bytes that consumers of a topic got from the broker.
func (p *peer) fetchedBytes(t *testing.T, topic string) float64 {
	t.Helper()
	all, err := p.metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() != "lockstep_fetch_bytes_total" {
			continue
		}
		for _, m := range f.Metric {
			if m.Label[0].GetValue() == topic {
				return m.Counter.GetValue()
			}
		}
	}
	return 0
}

// KIP-951: who asks the wrong broker is told the right one.
func TestFetchErrorsNameTheLeader(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("a", 1, 1, 2)
	ps.await("broker 3 to know", func() bool { return ps.all[3].hosted.Topic("a") != nil })
	resp := fetchOf(ps, 3, "a", 17, 0)
	part := resp.Topics[0].Partitions[0]
	if part.ErrorCode != kerr.NotLeaderForPartition.Code || part.CurrentLeader.LeaderID != 1 {
		t.Fatalf("code %d, leader %d", part.ErrorCode, part.CurrentLeader.LeaderID)
	}
	if len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != 1 || resp.Brokers[0].Port != ps.all[1].listeners[0].AdvertisedPort ||
		resp.Brokers[0].Rack == nil || *resp.Brokers[0].Rack != "rack-1" {
		t.Errorf("it can be reached at %+v", resp.Brokers)
	}
	if resp := fetchOf(ps, 3, "a", 15, 0); len(resp.Brokers) != 0 || resp.Topics[0].Partitions[0].CurrentLeader.LeaderID != -1 {
		t.Error("a client that does not know of hints gets one")
	}
}
