package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestFetchOutsideASessionIsAnsweredWhateverItsID: clients that know no
// sessions send an id of 0 or of -1, and others the id of the one they end.
func TestFetchOutsideASessionIsAnsweredWhateverItsID(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	write(t, cl, "t", 0, 1)
	for _, c := range []struct {
		id, epoch int32
		want      int16
	}{
		{0, 0, 0}, {0, -1, 0}, {-1, -1, 0}, {7, -1, 0}, {7, 0, 0},
		{0, 1, kerr.FetchSessionIDNotFound.Code}, {7, 1, kerr.FetchSessionIDNotFound.Code}, {0, -2, kerr.FetchSessionIDNotFound.Code},
	} {
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.SessionID, req.SessionEpoch = 1<<20, c.id, c.epoch
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.PartitionMaxBytes = 1 << 20
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic, rt.Partitions = "t", []kmsg.FetchRequestTopicPartition{rp}
		req.Topics = []kmsg.FetchRequestTopic{rt}
		resp := ask[*kmsg.FetchResponse](w, 11, req)
		served := len(resp.Topics) == 1 && len(resp.Topics[0].Partitions[0].RecordBatches) > 0
		if resp.ErrorCode != c.want || resp.SessionID != 0 || served != (c.want == 0) {
			t.Errorf("session %d, epoch %d: code %d, session %d, served %v; want code %d", c.id, c.epoch, resp.ErrorCode, resp.SessionID, served, c.want)
		}
	}
}
