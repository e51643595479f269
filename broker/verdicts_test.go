package broker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// conditional is an idempotent batch, a record for each list of headers as
// "key=value".
func conditional(t *testing.T, sequence protocol.Sequence, records ...[]string) []byte {
	t.Helper()
	b := record.NewBuilder(record.CodecNone).Producer(7000, 0, sequence)
	for _, headers := range records {
		r := record.Record{Timestamp: nowMs(), Value: []byte("v")}
		for _, h := range headers {
			key, value, _ := strings.Cut(h, "=")
			r.Headers = append(r.Headers, record.Header{Key: key, Value: []byte(value)})
		}
		b.Add(r)
	}
	raw, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// verdictsOf asks for verdicts by the tag and tells the answer.
func (w *wire) verdictsOf(version, acks int16, tag, batch []byte) string {
	w.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 1000
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = batch
	rp.UnknownTags.Set(protocol.TagVerdicts, tag)
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.Partitions = "t", []kmsg.ProduceRequestTopicPartition{rp}
	req.Topics = []kmsg.ProduceRequestTopic{rt}
	out := ask[*kmsg.ProduceResponse](w, version, req).Topics[0].Partitions[0]
	answer := fmt.Sprintf("code %d base %d", out.ErrorCode, out.BaseOffset)
	out.UnknownTags.Each(func(tag uint32, value []byte) {
		verdicts, err := protocol.ReadVerdicts(value, 100)
		if tag != protocol.TagVerdicts || err != nil {
			w.t.Fatalf("tag %d: %v", tag, err)
		}
		answer += fmt.Sprintf(", %d verdicts", len(verdicts))
		for _, v := range verdicts {
			head, _, _ := strings.Cut(v.Refusal, ": ")
			answer += fmt.Sprintf("; %d+%d at %s %s", v.First, v.Records, v.At, head)
		}
	})
	return answer
}

// TestVerdictsTravelInATaggedField holds the field itself: when it is there,
// what it says, and what is refused of it.
func TestVerdictsTravelInATaggedField(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	asked := []byte{protocol.VerdictsVersion}
	mixed := conditional(t, 1,
		[]string{"lock-write=y", "lock-basis=0", "lock-id=one"},
		[]string{"lock-write=x", "lock-basis=none"},
		[]string{})
	for _, step := range []struct {
		what       string
		version    int16
		acks       int16
		tag, batch []byte
		want       string
	}{
		{"all admitted", 9, -1, asked, conditional(t, 0, []string{"lock-write=x", "lock-basis=none"}), "code 0 base 0, 0 verdicts"},
		{"one refused", 11, -1, asked, mixed, "code 0 base 1, 1 verdicts; 1+1 at none CONFLICT lock=x last=0 basis=none by=- record=1"},
		{"its retry", 10, -1, asked, mixed, "code 0 base 1, 1 verdicts; 1+1 at none CONFLICT lock=x last=0 basis=none by=- record=1"},
		{"a repeat by id", 9, -1, asked, conditional(t, 4, []string{"lock-write=y", "lock-basis=0", "lock-id=one"}), "code 0 base 4, 1 verdicts; 0+1 at 1 "},
		{"malformed headers refuse the batch", 9, -1, asked, conditional(t, 5, []string{"lock-wirte=x"}), fmt.Sprintf("code %d base -1", kerr.InvalidRecord.Code)},
		{"acks=1", 9, 1, asked, conditional(t, 5, []string{}), fmt.Sprintf("code %d base -1", kerr.InvalidRequiredAcks.Code)},
		{"a version from the future", 9, -1, []byte{2}, conditional(t, 5, []string{}), fmt.Sprintf("code %d base -1", kerr.InvalidRequest.Code)},
		{"without locks", 9, -1, asked, conditional(t, 5, []string{}), "code 0 base 5, 0 verdicts"},
	} {
		if got := w.verdictsOf(step.version, step.acks, step.tag, step.batch); got != step.want {
			t.Errorf("%s:\n got %s\nwant %s", step.what, got, step.want)
		}
	}
}
