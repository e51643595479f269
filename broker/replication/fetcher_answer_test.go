package replication

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// bodyOf is an answer's frame less its length.
func bodyOf(resp kmsg.FetchResponse, k int32) []byte {
	resp.Version = FetchVersion
	header := append(binary.BigEndian.AppendUint32(nil, uint32(k)), 0)
	return append(header, resp.AppendTo(nil)...)
}

// somePart is a partition with all that a leader may say.
func somePart(index int32) kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition, p.HighWatermark, p.LogStartOffset = index, 70+int64(index), 3
	p.RecordBatches = []byte(strings.Repeat("r", int(index)))
	p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 4, 50
	p.UnknownTags.Set(fetching.TagRound, fetching.AppendRound(nil, 12))
	p.UnknownTags.Set(70_000, []byte("of a later version"))
	return p
}

// What kmsg encodes is decoded, and nothing is read wrongly where it is cut off.
func TestAnswersAreDecodedAsKmsgEncodesThem(t *testing.T) {
	resp := kmsg.NewFetchResponse()
	resp.UnknownTags.Set(9, []byte("x"))
	for i := range byte(2) {
		rt := kmsg.NewFetchResponseTopic()
		rt.TopicID[0] = i
		for j := range int32(3) {
			rt.Partitions = append(rt.Partitions, somePart(j))
		}
		resp.Topics = append(resp.Topics, rt)
	}
	resp.Topics[1].Partitions[2].ErrorCode = kerr.UnknownLeaderEpoch.Code
	body := bodyOf(resp, 5)
	var a fetchAnswer
	if err := a.decode(body, 5); err != nil {
		t.Fatal(err)
	}
	if len(a.parts) != 6 {
		t.Fatalf("%d partitions", len(a.parts))
	}
	for i, p := range a.parts {
		want := replica.FetchAnswer{HighWatermark: protocol.Offset(70 + i%3), LogStart: 3, Round: 12, Diverging: true, DivergingEpoch: 4, DivergingEnd: 50}
		if i == 5 {
			want.Err = replica.ErrUnknownEpoch
		}
		id := protocol.TopicPartition{Topic: protocol.TopicID{byte(i / 3)}, Index: int32(i % 3)}
		if p.id != id || p.answer != want || len(p.records) != i%3 {
			t.Errorf("partition %d: %+v of %v with %d bytes", i, p.answer, p.id, len(p.records))
		}
	}
	for n := range body {
		if err := a.decode(body[:n], 5); err == nil {
			t.Errorf("%d of %d bytes are taken for an answer", n, len(body))
		}
	}
	if err := a.decode(append(body, 0), 5); err == nil {
		t.Error("a byte behind the end is let pass")
	}
}

// The decoder believes no count: bytes that are no answer cost nothing.
func FuzzAnswerDecode(f *testing.F) {
	resp := kmsg.NewFetchResponse()
	rt := kmsg.NewFetchResponseTopic()
	rt.Partitions = append(rt.Partitions, somePart(3), kmsg.NewFetchResponseTopicPartition())
	resp.Topics = append(resp.Topics, rt)
	f.Add(bodyOf(resp, 0))
	f.Add(append(binary.BigEndian.AppendUint32(nil, 0), 2, 9, 0))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a fetchAnswer
		if a.decode(body, 0) != nil {
			return
		}
		total := 0
		for i := range a.parts {
			total += len(a.parts[i].records) + 20
		}
		if total > len(body) {
			t.Errorf("%d bytes hold %d partitions with %d bytes", len(body), len(a.parts), total)
		}
		var again kmsg.FetchResponse
		again.Version = FetchVersion
		if body[4] == 0 { // no tags in the header
			if err := again.ReadFrom(body[5:]); err != nil {
				t.Errorf("kmsg does not take it: %v", err)
			}
		}
	})
}

// Codes are the same errors on both sides.
func TestPeerErrorsGoThereAndBack(t *testing.T) {
	for _, c := range codes {
		code, ok := codeOf(fmt.Errorf("because: %w", c.err))
		if got := errorOf(code); !ok || got != c.err {
			t.Errorf("%v comes back as %v", c.err, got)
		}
	}
	if err := errorOf(kerr.UnknownServerError.Code); err != kerr.UnknownServerError {
		t.Errorf("an unknown error is %v", err)
	}
}
