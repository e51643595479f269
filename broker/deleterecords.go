package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

var _ = serves(protocol.KeyDeleteRecords, (*Server).deleteRecords)

// deleteRecords moves the start of logs (KIP-107). What the lock table knows of
// the deleted records stays.
func (s *Server) deleteRecords(_ *exchange, req *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := respond[*kmsg.DeleteRecordsResponse](req)
	for i := range req.Topics {
		rt := &req.Topics[i]
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = rt.Topic
		t := s.hosted.topic(rt.Topic)
		for _, rp := range rt.Partitions {
			o := kmsg.NewDeleteRecordsResponseTopicPartition()
			start, err := s.deleteBefore(t, rp.Partition, protocol.Offset(rp.Offset))
			o.Partition, o.LowWatermark, o.ErrorCode = rp.Partition, int64(start), codeOf(err)
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// deleteBefore returns the new start, or -1.
func (s *Server) deleteBefore(t *topic, index int32, before protocol.Offset) (protocol.Offset, error) {
	p, err := s.led(t, index)
	if err != nil {
		return -1, err
	}
	if it, ok := s.cluster.Image().TopicByID(t.id); ok && it.Internal {
		return -1, fmt.Errorf("%w: %s is internal", kerr.InvalidTopicException, t.name)
	}
	if t.settings.Compact && !t.settings.Delete {
		return -1, fmt.Errorf("%w: cleanup.policy of %s is compact alone", kerr.PolicyViolation, t.name)
	}
	start, err := p.DeleteBefore(before)
	if err != nil {
		return -1, err
	}
	return start, nil
}
