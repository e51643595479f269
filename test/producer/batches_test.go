package producer

import (
	"errors"
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

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// moved is a cluster of two brokers whose topic has been led by broker 0, and is
// led by broker 1 now, with five batches of each epoch; and a client that has asked
// it nothing yet.
func moved(t *testing.T) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, "accounts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	dial := func() *kgo.Client {
		cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("accounts"), kgo.MetadataMinAge(10*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return cl
	}
	writer := dial()
	for leader := range int32(2) {
		if err := cluster.MoveTopicPartition("accounts", 0, leader); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if err := writer.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return cluster, dial()
}

// batches read the ten records of moved.
func batches(cl *kgo.Client) client.Batches {
	return client.Batches{Client: cl, Topic: "accounts", From: 0, End: 10, Patience: time.Minute}
}

// answerFetches replaces answers to Fetch, as long as set has something to say.
func answerFetches(c *kfake.Cluster, set func(asked *kmsg.FetchRequestTopicPartition, p *kmsg.FetchResponseTopicPartition) bool) {
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

// TestBatchesAreReadByTheEpochsOfTheirLeaders: what is asked names them, a failure
// that may pass is tried again, and whoever lags behind is not asked.
func TestBatchesAreReadByTheEpochsOfTheirLeaders(t *testing.T) {
	cluster, cl := moved(t)
	now, err := kadm.NewClient(cl).Metadata(t.Context(), "accounts")
	if err != nil {
		t.Fatal(err)
	}
	newest := now.Topics["accounts"].Partitions[0].LeaderEpoch
	var metadata, fetches, old atomic.Int32
	cluster.ControlKey(kmsg.Metadata.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if n := metadata.Add(1); n == 1 || n > 4 {
			return nil, nil, false
		}
		return lagging(kreq.(*kmsg.MetadataRequest), now, newest-1), nil, true
	})
	var named []int32
	answerFetches(cluster, func(asked *kmsg.FetchRequestTopicPartition, p *kmsg.FetchResponseTopicPartition) bool {
		if cluster.CurrentNode() != 1 {
			old.Add(1)
		}
		named = append(named, asked.CurrentLeaderEpoch)
		if fetches.Add(1) == 1 {
			p.ErrorCode = kerr.NotLeaderForPartition.Code
			return true
		}
		return false
	})
	var got []int64
	err = batches(cl).Each(t.Context(), func(b record.Batch) error {
		got = append(got, int64(b.BaseOffset()))
		return nil
	})
	if err != nil || len(got) != 10 {
		t.Errorf("read batches at %v: %v", got, err)
	}
	if old.Load() > 0 || metadata.Load() < 5 {
		t.Errorf("the leader of an earlier epoch was asked %d times; of %d answers about leaders the second to fourth lagged behind", old.Load(), metadata.Load())
	}
	for _, n := range named {
		if n != newest {
			t.Errorf("a fetch named leader epoch %d, want %d", n, newest)
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

// TestBatchesEndWithWhatTheyWereTold: an error of the function, a log that was cut,
// or the last failure, once patience is over.
func TestBatchesEndWithWhatTheyWereTold(t *testing.T) {
	none := func(record.Batch) error { return nil }
	cluster, cl := moved(t)
	own := errors.New("seen enough")
	if err := batches(cl).Each(t.Context(), func(record.Batch) error { return own }); !errors.Is(err, own) {
		t.Errorf("an error of the function: %v", err)
	}
	before := kadm.Offsets{}
	before.AddOffset("accounts", 0, 3, -1)
	if _, err := kadm.NewClient(cl).DeleteRecords(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	err := batches(cl).Each(t.Context(), none)
	if !errors.Is(err, client.ErrLogCut) || !strings.Contains(err.Error(), "offset 0 was removed; accounts-0 starts at offset 3 now") {
		t.Errorf("a log that was cut: %v", err)
	}
	answerFetches(cluster, func(_ *kmsg.FetchRequestTopicPartition, p *kmsg.FetchResponseTopicPartition) bool {
		p.ErrorCode = kerr.NotLeaderForPartition.Code
		return true
	})
	b := batches(cl)
	b.From, b.Patience = 3, 200*time.Millisecond
	if err := b.Each(t.Context(), none); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("a leader that is none: %v", err)
	}
}
