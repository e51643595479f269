package broker

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// A client that comes to the wrong broker is told the right one (KIP-951), and
// only the leader answers for where its log ends.
func TestAWrongBrokerNamesTheLeader(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("led", 1, 2, 3)
	ps.partition(3, "led", 0)
	for _, at := range []protocol.BrokerID{1, 3} {
		w := dial(t, ps.all[at].Addr(""))
		for version := int16(9); version <= 11; version++ {
			req := kmsg.NewPtrProduceRequest()
			req.Acks, req.TimeoutMillis = -1, 1000
			req.Topics = []kmsg.ProduceRequestTopic{{Topic: "led", Partitions: []kmsg.ProduceRequestTopicPartition{
				{Partition: 0, Records: []byte("a leader would refuse this")}, {Partition: 1},
			}}}
			resp := ask[*kmsg.ProduceResponse](w, version, req)
			p := resp.Topics[0].Partitions[0]
			if p.ErrorCode != kerr.NotLeaderForPartition.Code {
				t.Fatalf("broker %d, v%d: code %d", at, version, p.ErrorCode)
			}
			if version < 10 {
				continue
			}
			if p.CurrentLeader.LeaderID != 2 || p.CurrentLeader.LeaderEpoch != 0 || len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != 2 ||
				ps.all[2].Addr("") != fmt.Sprintf("%s:%d", resp.Brokers[0].Host, resp.Brokers[0].Port) {
				t.Fatalf("broker %d, v%d: leader %+v at %+v", at, version, p.CurrentLeader, resp.Brokers)
			}
		}
		if got := w.at(7, "led", timeLatest).ErrorCode; got != kerr.NotLeaderForPartition.Code {
			t.Fatalf("broker %d tells where the log ends: code %d", at, got)
		}
	}
}
