package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// TestAProducerMayNameTheLeaderEpochItGoesBy: a leader of another one writes
// nothing, and the answer tells in which one a batch was written, also when it
// comes again in a later one.
func TestAProducerMayNameTheLeaderEpochItGoesBy(t *testing.T) {
	ps := startPeers(t, 3, forDeposed)
	old, now := deposed(ps)
	batch := func(sequence protocol.Sequence) []byte {
		b := record.NewBuilder(record.CodecNone).Producer(7000, 0, sequence)
		b.Add(record.Record{Timestamp: nowMs(), Value: []byte("v")})
		raw, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, c := range []struct {
		what    string
		at      protocol.BrokerID
		epoch   int32 // named
		tag     []byte
		code    int16
		written int32 // -1: not told
		base    int64
	}{
		{"deposed, an epoch that it does not know", 1, now, nil, kerr.UnknownLeaderEpoch.Code, -1, -1},
		{"leader, an epoch that is over", 2, old, nil, kerr.FencedLeaderEpoch.Code, -1, -1},
		{"leader, an epoch to come", 2, now + 1, nil, kerr.UnknownLeaderEpoch.Code, -1, -1},
		{"leader, three bytes", 2, 0, []byte{0, 0, 0}, kerr.InvalidRequest.Code, -1, -1},
		{"leader, its epoch", 2, now, nil, 0, now, 30},
		{"leader, its epoch, again", 2, now, nil, 0, now, 30},
	} {
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 10_000
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Records = batch(0)
		if c.tag == nil {
			c.tag = protocol.AppendLeaderEpoch(nil, protocol.LeaderEpoch(c.epoch))
		}
		rp.UnknownTags.Set(protocol.TagLeaderEpoch, c.tag)
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: "a", Partitions: []kmsg.ProduceRequestTopicPartition{rp}}}
		out := ask[*kmsg.ProduceResponse](dial(t, ps.all[c.at].Addr("")), 9, req).Topics[0].Partitions[0]
		written := int32(-1)
		out.UnknownTags.Each(func(tag uint32, value []byte) {
			epoch, err := protocol.ReadLeaderEpoch(value)
			if tag != protocol.TagLeaderEpoch || err != nil {
				t.Fatalf("tag %d: %v", tag, err)
			}
			written = int32(epoch)
		})
		if out.ErrorCode != c.code || written != c.written || out.BaseOffset != c.base {
			t.Errorf("%s: code %d, written in epoch %d at %d; want %d, %d, %d", c.what, out.ErrorCode, written, out.BaseOffset, c.code, c.written, c.base)
		}
	}
	if end := ps.partition(1, "a", 0).End(); end != 10 {
		t.Errorf("the leader that was deposed has written up to %d", end)
	}
}
