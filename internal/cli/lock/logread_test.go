package lock

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// moved is a cluster of two brokers whose topic has been led by broker 0, and is
// led by broker 1 now, with five records of each epoch.
func moved(t *testing.T) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, "accounts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("accounts"), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for leader := range int32(2) {
		if err := cluster.MoveTopicPartition("accounts", 0, leader); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if err := client.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return cluster, client
}

// answering replaces answers to Fetch, as long as set has something to say.
func answering(c *kfake.Cluster, set func(asked *kmsg.FetchRequestTopicPartition, p *kmsg.FetchResponseTopicPartition) bool) {
	c.ControlKey(kmsg.Fetch.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := kreq.(*kmsg.FetchRequest)
		if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 {
			return nil, nil, false
		}
		p := kmsg.NewFetchResponseTopicPartition()
		if !set(&req.Topics[0].Partitions[0], &p) {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		resp.Topics = []kmsg.FetchResponseTopic{{Topic: req.Topics[0].Topic, TopicID: req.Topics[0].TopicID, Partitions: []kmsg.FetchResponseTopicPartition{p}}}
		return resp, nil, true
	})
}

// TestALogIsReadByTheEpochsOfItsLeaders: what is asked names them, a failure that
// may pass is tried again, and whoever lags behind is not asked.
func TestALogIsReadByTheEpochsOfItsLeaders(t *testing.T) {
	cluster, client := moved(t)
	stale, err := kadm.NewClient(client).Metadata(t.Context(), "accounts")
	if err != nil {
		t.Fatal(err)
	}
	newest := stale.Topics["accounts"].Partitions[0].LeaderEpoch
	var metadata, fetches, old atomic.Int32
	cluster.ControlKey(kmsg.Metadata.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if metadata.Add(1) > 3 {
			return nil, nil, false
		}
		return lagging(kreq.(*kmsg.MetadataRequest), stale, newest-1), nil, true
	})
	var named [][2]int32
	answering(cluster, func(asked *kmsg.FetchRequestTopicPartition, p *kmsg.FetchResponseTopicPartition) bool {
		if cluster.CurrentNode() != 1 {
			old.Add(1)
		}
		named = append(named, [2]int32{asked.CurrentLeaderEpoch, asked.LastFetchedEpoch})
		if fetches.Add(1) == 1 {
			p.ErrorCode = kerr.NotLeaderForPartition.Code
			return true
		}
		return false
	})
	var got []int64
	r := newLogReader(client, "accounts", 0, command.OffsetSpan{Next: 0, End: 10}, time.Minute, func(b record.Batch) error {
		got = append(got, int64(b.BaseOffset()))
		return nil
	})
	if err := r.read(t.Context()); err != nil || len(got) != 10 || r.lastRead != newest {
		t.Errorf("read batches at %v, the last of epoch %d: %v", got, r.lastRead, err)
	}
	if old.Load() > 0 || metadata.Load() < 4 {
		t.Errorf("the leader of an earlier epoch was asked %d times; of %d answers about leaders the first three lagged behind", old.Load(), metadata.Load())
	}
	for _, n := range named {
		if n[0] != newest {
			t.Errorf("a fetch named leader epoch %d, want %d", n[0], newest)
		}
	}
}

// lagging is metadata as it was an epoch before, when broker 0 led.
func lagging(req *kmsg.MetadataRequest, of kadm.Metadata, epoch int32) *kmsg.MetadataResponse {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	for _, b := range of.Brokers {
		resp.Brokers = append(resp.Brokers, kmsg.MetadataResponseBroker{NodeID: b.NodeID, Host: b.Host, Port: b.Port})
	}
	p := kmsg.NewMetadataResponseTopicPartition()
	p.Leader, p.LeaderEpoch, p.Replicas, p.ISR = 0, epoch, []int32{0, 1}, []int32{0, 1}
	topic := "accounts"
	resp.Topics = []kmsg.MetadataResponseTopic{{Topic: &topic, TopicID: of.Topics[topic].ID, Partitions: []kmsg.MetadataResponseTopicPartition{p}}}
	return resp
}

// TestWhatALogDoesNotHoldIsSaid, at once where the answer is final.
func TestWhatALogDoesNotHoldIsSaid(t *testing.T) {
	for _, c := range []struct {
		what string
		set  func(*kmsg.FetchResponseTopicPartition)
		want string
	}{
		{"diverging", func(p *kmsg.FetchResponseTopicPartition) { p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 1, 3 }, "has that epoch up to offset 2 only"},
		{"removed", func(p *kmsg.FetchResponseTopicPartition) {
			p.ErrorCode, p.LogStartOffset = kerr.OffsetOutOfRange.Code, 8
		}, "offset 0 was removed: the log starts at 8 now"},
		{"gone", func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = kerr.OffsetOutOfRange.Code }, "offset 0, which was there, is not in the log any more"},
	} {
		cluster, client := moved(t)
		answering(cluster, func(_ *kmsg.FetchRequestTopicPartition, p *kmsg.FetchResponseTopicPartition) bool {
			c.set(p)
			return true
		})
		r := newLogReader(client, "accounts", 0, command.OffsetSpan{Next: 0, End: 10}, time.Minute, func(record.Batch) error { return nil })
		if err := r.read(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}
