package broker

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// deleteRecords moves the start of logs (KIP-107). What the lock table knows of
// the deleted records stays.
//
// A leader that was deposed and does not know it would delete what its successor
// keeps, and say that it is gone, or refuse an offset that is there. So nothing is
// deleted, and nothing told, without a proof that this broker leads; with the
// second one all replicas in sync have heard of the new start.
func (s *Server) deleteRecords(_ *transport.Exchange, req *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := respond[*kmsg.DeleteRecordsResponse](req)
	var all []*deletion
	for i := range req.Topics {
		rt := &req.Topics[i]
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic, out.Partitions = rt.Topic, make([]kmsg.DeleteRecordsResponseTopicPartition, len(rt.Partitions))
		t := s.hosted.Topic(rt.Topic)
		for j := range rt.Partitions {
			d := &deletion{rp: &rt.Partitions[j], out: &out.Partitions[j], start: -1}
			d.p, d.err = s.mayDelete(t, d.rp.Partition)
			all = append(all, d)
		}
		resp.Topics = append(resp.Topics, out)
	}
	proveDeletions(all)
	for _, d := range all {
		if d.err == nil {
			d.start, d.err = d.p.DeleteBefore(protocol.Offset(d.rp.Offset))
			d.told = d.err
			if errors.Is(d.err, replica.ErrOffsetOutOfRange) {
				d.err = nil // it needs a proof as well
			}
		}
	}
	proveDeletions(all)
	for _, d := range all {
		d.tell()
	}
	return resp
}

// deletion is what is asked of one partition.
type deletion struct {
	rp    *kmsg.DeleteRecordsRequestTopicPartition
	out   *kmsg.DeleteRecordsResponseTopicPartition
	p     *partitions.Partition
	start protocol.Offset
	told  error // what the partition said
	err   error // why it is not told
}

// proveDeletions asks for all proofs at once, and notes those that do not come.
func proveDeletions(all []*deletion) {
	proofs := make([]partitions.LeadershipProof, len(all))
	for i, d := range all {
		if d.err == nil {
			proofs[i] = d.p.ProveLeadership(d.p.Epoch())
		}
	}
	for i, d := range all {
		if d.err == nil {
			d.err = proofs[i].Wait()
		}
	}
}

func (d *deletion) tell() {
	err := cmp.Or(d.err, d.told)
	if err != nil {
		d.start = -1
	}
	d.out.Partition, d.out.LowWatermark, d.out.ErrorCode = d.rp.Partition, int64(d.start), codeOf(err)
}

// mayDelete returns a partition of which records may be deleted.
func (s *Server) mayDelete(t *partitions.Topic, index int32) (*partitions.Partition, error) {
	p, err := s.led(t, index)
	if err != nil {
		return nil, err
	}
	if it, ok := s.cluster.Image().TopicByID(t.ID); ok && it.Internal {
		return nil, fmt.Errorf("%w: %s is internal", kerr.InvalidTopicException, t.Name)
	}
	if t.Settings.Compact && !t.Settings.Delete {
		return nil, fmt.Errorf("%w: cleanup.policy of %s is compact alone", kerr.PolicyViolation, t.Name)
	}
	return p, nil
}
