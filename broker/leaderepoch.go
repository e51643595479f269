package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// offsetForLeaderEpoch tells where an epoch ended, by which a client finds out
// that what it has read is not in the log any more (KIP-320).
func (s *Server) offsetForLeaderEpoch(_ *transport.Exchange, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := respond[*kmsg.OffsetForLeaderEpochResponse](req)
	resp.Topics = make([]kmsg.OffsetForLeaderEpochResponseTopic, len(req.Topics))
	var unproven []unprovenEnd
	for i := range req.Topics {
		rt, out := &req.Topics[i], &resp.Topics[i]
		out.Topic = rt.Topic
		out.Partitions = make([]kmsg.OffsetForLeaderEpochResponseTopicPartition, len(rt.Partitions))
		t := s.hosted.Topic(rt.Topic)
		for j := range rt.Partitions {
			rp, o := &rt.Partitions[j], &out.Partitions[j]
			o.Default()
			o.Partition = rp.Partition
			if p := t.Partition(rp.Partition); p != nil && p.Prefix != nil {
				prefixEpochEnd(p, protocol.LeaderEpoch(rp.LeaderEpoch), o)
				continue
			}
			p, err := s.readable(t, rp.Partition, rp.CurrentLeaderEpoch)
			if err != nil {
				o.ErrorCode = codeOf(err)
				continue
			}
			if at := p.Epoch(); protocol.LeaderEpoch(rp.LeaderEpoch) > at {
				unproven = append(unproven, unprovenEnd{o, p.ProveLeadership(at)})
				continue
			}
			epoch, end, err := p.ReadersEpochEnd(protocol.LeaderEpoch(rp.LeaderEpoch))
			if err != nil {
				o.ErrorCode = codeOf(err)
				continue
			}
			o.LeaderEpoch, o.EndOffset = int32(epoch), int64(end)
		}
	}
	for _, u := range unproven {
		u.out.ErrorCode = codeOf(u.proof.Wait())
	}
	return resp
}

// unprovenEnd is the answer that an epoch is not known: its defaults say so. A
// leader that was deposed does not know the epochs of those who came after it.
type unprovenEnd struct {
	out   *kmsg.OffsetForLeaderEpochResponseTopicPartition
	proof partitions.LeadershipProof
}
