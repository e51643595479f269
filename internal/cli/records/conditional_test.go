package records

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// scriptedCluster answers Produce requests with the given errors in turn, each
// once, and then as kfake does. A nil stands for a connection that is cut
// before the answer.
func scriptedCluster(t *testing.T, answers ...*kerr.Error) (*conditional, *int) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "accounts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	tries := new(int)
	cluster.ControlKey(protocol.KeyProduce, func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		*tries++
		if *tries > len(answers) {
			return nil, nil, false
		}
		answer := answers[*tries-1]
		if answer == nil {
			return nil, errors.New("cut"), true
		}
		return refusing(req.(*kmsg.ProduceRequest), answer.Code, "said so"), nil, true
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &conditional{client: client, timeout: 30 * time.Second}, tries
}

func named(id string) *kgo.Record {
	r := &kgo.Record{Value: []byte("v"), Timestamp: time.Now()}
	if id != "" {
		r.Headers = []kgo.RecordHeader{{Key: protocol.HeaderLockID, Value: []byte(id)}}
	}
	return r
}

func TestAnAppendIsTriedAgainWhenNothingWasWritten(t *testing.T) {
	c, tries := scriptedCluster(t, kerr.NotLeaderForPartition, kerr.NotEnoughReplicas)
	_, offset, err := c.append(context.Background(), "accounts", 0, named(""))
	if err != nil || offset != 0 || *tries != 3 {
		t.Errorf("offset %d after %d tries, %v; want offset 0 after 3", offset, *tries, err)
	}
}

func TestAnUnknownResultIsToldAndNotGuessed(t *testing.T) {
	for _, answer := range []*kerr.Error{kerr.RequestTimedOut, nil} {
		c, tries := scriptedCluster(t, answer)
		_, _, err := c.append(context.Background(), "accounts", 0, named(""))
		if !errors.Is(err, command.ErrUnknownResult) || *tries != 1 {
			t.Errorf("after %v: %v in %d tries; want an unknown result in one", answer, err, *tries)
		}
	}
}

func TestAnAppendWithANameIsSentAgainUntilItsResultIsKnown(t *testing.T) {
	c, tries := scriptedCluster(t, kerr.RequestTimedOut, nil)
	_, offset, err := c.append(context.Background(), "accounts", 0, named("req-1"))
	if err != nil || offset != 0 || *tries != 3 {
		t.Errorf("offset %d after %d tries, %v; want offset 0 after 3", offset, *tries, err)
	}
}

func TestAVerdictIsFinal(t *testing.T) {
	var refused *command.RefusedError
	c, tries := scriptedCluster(t, kerr.PolicyViolation)
	if _, _, err := c.append(context.Background(), "accounts", 0, named("req-1")); !errors.As(err, &refused) || refused.Text != "said so" || *tries != 1 {
		t.Errorf("%v after %d tries, want the broker's words at once", err, *tries)
	}
	c, tries = scriptedCluster(t, kerr.InvalidRecord)
	if _, _, err := c.append(context.Background(), "accounts", 0, named("req-1")); err == nil || errors.As(err, &refused) || *tries != 1 {
		t.Errorf("%v after %d tries, want a plain error at once", err, *tries)
	}
}

// TestARecordOfItsOwnSurvivesTheWire reads back what encodeBatch made.
func TestARecordOfItsOwnSurvivesTheWire(t *testing.T) {
	c, _ := scriptedCluster(t)
	sent := &kgo.Record{Key: []byte{}, Value: nil, Timestamp: time.UnixMilli(1_700_000_000_123),
		Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}}}
	if _, _, err := c.append(context.Background(), "accounts", -1, sent); err != nil {
		t.Fatal(err)
	}
	c.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{"accounts": {0: kgo.NewOffset().AtStart()}})
	got := c.client.PollFetches(context.Background()).Records()
	if len(got) != 1 {
		t.Fatalf("%d records, want 1", len(got))
	}
	r := got[0]
	sameHeader := func(a, b kgo.RecordHeader) bool {
		return a.Key == b.Key && string(a.Value) == string(b.Value) && (a.Value == nil) == (b.Value == nil)
	}
	if r.Key == nil || len(r.Key) != 0 || r.Value != nil || !r.Timestamp.Equal(sent.Timestamp) || !slices.EqualFunc(r.Headers, sent.Headers, sameHeader) {
		t.Errorf("got %+v, want %+v", r, sent)
	}
}

// TestAnAppendNamesTheLeaderEpoch that it goes by.
func TestAnAppendNamesTheLeaderEpoch(t *testing.T) {
	c := conditional{timeout: time.Second}
	req := c.request(command.Place{Topic: "accounts", Leader: 1, Epoch: 7}, []byte("batch"))
	var named protocol.LeaderEpoch
	req.Topics[0].Partitions[0].UnknownTags.Each(func(tag uint32, value []byte) {
		if tag == protocol.TagLeaderEpoch {
			named, _ = protocol.ReadLeaderEpoch(value)
		}
	})
	if named != 7 {
		t.Errorf("named epoch %d", named)
	}
}

func refusing(req *kmsg.ProduceRequest, code int16, text string) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	p := kmsg.NewProduceResponseTopicPartition()
	p.Partition, p.ErrorCode, p.BaseOffset, p.ErrorMessage = req.Topics[0].Partitions[0].Partition, code, -1, &text
	t := kmsg.NewProduceResponseTopic()
	t.Topic, t.Partitions = req.Topics[0].Topic, append(t.Partitions, p)
	resp.Topics = append(resp.Topics, t)
	return resp
}
