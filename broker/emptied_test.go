package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// TestARefusalOnAnEmptiedLogNamesABasisThatPasses: what the lock's last writer
// wrote cannot be read any more.
func TestARefusalOnAnEmptiedLogNamesABasisThatPasses(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	locked := func(basis string) kmsg.ProduceResponseTopicPartition {
		r := stamped("k", nowMs())
		r.Headers = []record.Header{{Key: "lock-write", Value: []byte("acct:7")}, {Key: "lock-basis", Value: []byte(basis)}}
		return w.sends("t", batchOf(t, record.CodecNone, r))
	}
	for _, basis := range []string{"none", "0"} {
		if got := locked(basis); got.ErrorCode != 0 {
			t.Fatalf("basis %s: code %d", basis, got.ErrorCode)
		}
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 1000
	req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 0, Offset: -1}}}}
	if got := ask[*kmsg.DeleteRecordsResponse](w, 2, req).Topics[0].Partitions[0]; got.ErrorCode != 0 || got.LowWatermark != 2 {
		t.Fatalf("delete records: code %d, the log starts at %d", got.ErrorCode, got.LowWatermark)
	}
	const want = `CONFLICT lock=acct:7 last=1 basis=none by=- record=0: lock "acct:7" was written at offset 1, after your basis none; ` +
		`that record is gone, since the log starts at 2 by now: read on from there and try again; if nothing is left to read, with basis 1`
	if got := locked("none"); text(got.ErrorMessage) != want {
		t.Errorf("got  %s\nwant %s", text(got.ErrorMessage), want)
	}
	if got := locked("1"); got.ErrorCode != 0 {
		t.Errorf("the basis that it names is refused: %s", text(got.ErrorMessage))
	}
}
