package broker

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// sequenced is an idempotent batch of one record.
func sequenced(t *testing.T, first protocol.Sequence, r record.Record) []byte {
	t.Helper()
	raw, err := record.NewBuilder(record.CodecNone).Producer(7000, 2, first).Add(r).Build()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func fromNow(value string) record.Record {
	return record.Record{Timestamp: nowMs(), Key: []byte("k"), Value: []byte(value)}
}

// produced sends a batch to partition 0 and wants a code.
func (w *wire) produced(what, topic string, batch []byte, want *kerr.Error) {
	w.t.Helper()
	code := int16(0)
	if want != nil {
		code = want.Code
	}
	if got := w.sends(topic, batch); got.ErrorCode != code {
		w.t.Fatalf("%s: code %d, want %d", what, got.ErrorCode, code)
	}
}

// TestWhatIsInFlightBehindABatchThatWasTurnedAwayIsHeldBack: a check beside the
// partition's loop refuses a producer's first batch, for each reason there is.
// What the client has sent behind it must not begin the log in its place, and
// that batch, sent again, does.
func TestWhatIsInFlightBehindABatchThatWasTurnedAwayIsHeldBack(t *testing.T) {
	s, _ := startServer(t)
	damaged := sequenced(t, 40, fromNow("damaged"))
	damaged[len(damaged)-1] ^= 1
	keyless, old, odd, long := fromNow("keyless"), fromNow("old"), fromNow("odd"), fromNow(strings.Repeat("long", 1000))
	keyless.Key, old.Timestamp = nil, 1
	odd.Headers = []record.Header{{Key: "lock-wirte", Value: []byte("x")}}
	for _, c := range []struct {
		topic string
		first []byte
		want  *kerr.Error
		made  bool // the topic is there from the beginning
	}{
		{"damaged", damaged, kerr.CorruptMessage, true},
		{"keyless", sequenced(t, 40, keyless), kerr.InvalidRecord, true},
		{"old", sequenced(t, 40, old), kerr.InvalidTimestamp, true},
		{"odd", sequenced(t, 40, odd), kerr.InvalidRecord, true},
		{"long", sequenced(t, 40, long), kerr.MessageTooLarge, true},
		{"absent", sequenced(t, 40, fromNow("first")), kerr.UnknownTopicOrPartition, false},
	} {
		t.Run(c.topic, func(t *testing.T) {
			w := dial(t, s.Addr(""))
			create := func() {
				w.createTopic(c.topic, 1, "cleanup.policy", "compact", "max.message.bytes", "2000", "message.timestamp.before.max.ms", "3600000")
			}
			if c.made {
				create()
			}
			w.produced("the first", c.topic, c.first, c.want)
			if !c.made {
				create()
			}
			w.produced("what was in flight behind it", c.topic, sequenced(t, 41, fromNow("second")), kerr.OutOfOrderSequenceNumber)
			w.produced("the first again", c.topic, sequenced(t, 40, fromNow("first")), nil)
			w.produced("the second again", c.topic, sequenced(t, 41, fromNow("second")), nil)
		})
	}
}

// TestAProducerGoesOnOverATopicThatWasMadeAgain: on the same connection or on
// another, with what was in flight while there was no topic refused.
func TestAProducerGoesOnOverATopicThatWasMadeAgain(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	w.produced("the first", "t", sequenced(t, 0, fromNow("0")), nil)
	w.produced("the second", "t", sequenced(t, 1, fromNow("1")), nil)
	ask[*kmsg.DeleteTopicsResponse](w, 5, deleteTopicRequest("t"))
	w.produced("the third, to no topic", "t", sequenced(t, 2, fromNow("2")), kerr.UnknownTopicOrPartition)
	w.createTopic("t", 1)
	w.produced("the third again", "t", sequenced(t, 2, fromNow("2")), nil)
	w.produced("a gap", "t", sequenced(t, 4, fromNow("4")), kerr.OutOfOrderSequenceNumber)
	dial(t, s.Addr("")).produced("the fourth, from elsewhere", "t", sequenced(t, 3, fromNow("3")), nil)
	if end := w.at(7, "t", timeLatest).Offset; end != 2 {
		t.Errorf("the log ends at %d, with two records appended", end)
	}
}
