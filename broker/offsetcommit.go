package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/image"
)

// commitMemberEpoch is the version of OffsetCommit from which on its generation
// may be a member epoch (KIP-848).
const commitMemberEpoch = 9

// offsetCommit is answered when the offsets are committed in their own topic.
// Those of partitions that do not exist are refused one by one.
func (s *Server) offsetCommit(x *transport.Exchange, req *kmsg.OffsetCommitRequest) kmsg.Response {
	resp, commit, places := s.commitOf(req)
	s.groups.serve(x, req.Group, func(sh *groupShard, err error) {
		if err != nil {
			sendResponse(x, committed(resp, places, nil, err))
			return
		}
		errs, fx, err := sh.Machine().Commit(s.groups.nowMs(), commit)
		sh.Apply(groupEffects(fx))
		if err != nil {
			sendResponse(x, committed(resp, places, nil, err))
			return
		}
		sh.After(func(err error) { sendResponse(x, committed(resp, places, errs, err)) })
	})
	return nil
}

// commitOf is what a request commits, the answer so far, and where in it each
// offset's own code belongs.
func (s *Server) commitOf(req *kmsg.OffsetCommitRequest) (*kmsg.OffsetCommitResponse, group.CommitRequest, []*int16) {
	resp := respond[*kmsg.OffsetCommitResponse](req)
	commit := group.CommitRequest{
		Group: req.Group, Member: req.MemberID, Instance: orEmpty(req.InstanceID),
		Generation: req.Generation, RetentionMs: req.RetentionTimeMillis, KnowsEpochs: req.Version >= commitMemberEpoch,
	}
	var places []*int16
	im := s.cluster.Image()
	resp.Topics = make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		rt, out := &req.Topics[i], &resp.Topics[i]
		out.Topic = rt.Topic
		out.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(rt.Partitions))
		for j := range rt.Partitions {
			rp, o := &rt.Partitions[j], &out.Partitions[j]
			if o.Partition = rp.Partition; !partitionExists(im, rt.Topic, rp.Partition) {
				o.ErrorCode = kerr.UnknownTopicOrPartition.Code
				continue
			}
			places = append(places, &o.ErrorCode)
			commit.Offsets = append(commit.Offsets, group.Commit{
				TopicPartition: group.TopicPartition{Topic: rt.Topic, Partition: rp.Partition},
				Offset:         rp.Offset, LeaderEpoch: rp.LeaderEpoch, Metadata: orEmpty(rp.Metadata),
			})
		}
	}
	return resp, commit, places
}

// committed fills in the codes: one for all, or each its own.
func committed(resp *kmsg.OffsetCommitResponse, places []*int16, errs []error, err error) kmsg.Response {
	for i, place := range places {
		if err == nil {
			*place = codeOf(errs[i])
		} else {
			*place = codeOf(err)
		}
	}
	return resp
}

func partitionExists(im *image.Image, topic string, partition int32) bool {
	t, ok := im.Topic(topic)
	return ok && partition >= 0 && int(partition) < len(t.Partitions)
}
