package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// The guards of groups and their offsets.

func guardJoinGroup(p *passage, req *kmsg.JoinGroupRequest) kmsg.Response {
	if p.may(onGroup, req.Group) {
		return nil
	}
	return joinResponse(req, nil, kerr.GroupAuthorizationFailed)
}

func guardSyncGroup(p *passage, req *kmsg.SyncGroupRequest) kmsg.Response {
	if req.Version >= syncProtocol && (req.ProtocolType == nil || req.Protocol == nil) {
		return nil // refused as it is, before anybody's rights are asked for
	}
	if p.may(onGroup, req.Group) {
		return nil
	}
	return syncResponse(req, nil, kerr.GroupAuthorizationFailed)
}

func guardOffsetCommit(p *passage, req *kmsg.OffsetCommitRequest) kmsg.Response {
	if !p.may(onGroup, req.Group) {
		resp := respond[*kmsg.OffsetCommitResponse](req)
		addUncommitted(resp, req.Topics, kerr.GroupAuthorizationFailed)
		return resp
	}
	denied := take(p, &req.Topics, func(t *kmsg.OffsetCommitRequestTopic) bool {
		name, known := p.topicName(t.Topic, t.TopicID)
		return !known || p.may(onTopic, name)
	})
	amend(p, func(resp *kmsg.OffsetCommitResponse) { addUncommitted(resp, denied, kerr.TopicAuthorizationFailed) })
	return nil
}

func addUncommitted(resp *kmsg.OffsetCommitResponse, topics []kmsg.OffsetCommitRequestTopic, why *kerr.Error) {
	for i := range topics {
		out := kmsg.NewOffsetCommitResponseTopic()
		out.Topic, out.TopicID = topics[i].Topic, topics[i].TopicID
		code := why.Code
		if why == kerr.TopicAuthorizationFailed {
			code = deniedTopic(out.TopicID)
		}
		for j := range topics[i].Partitions {
			out.Partitions = append(out.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: topics[i].Partitions[j].Partition, ErrorCode: code})
		}
		resp.Topics = append(resp.Topics, out)
	}
}

func guardOffsetDelete(p *passage, req *kmsg.OffsetDeleteRequest) kmsg.Response {
	if !p.may(onGroup, req.Group) {
		return refuses(req, kerr.GroupAuthorizationFailed)
	}
	denied := take(p, &req.Topics, func(t *kmsg.OffsetDeleteRequestTopic) bool { return p.may(onTopic, t.Topic) })
	amend(p, func(resp *kmsg.OffsetDeleteResponse) {
		for i := range denied {
			out := kmsg.NewOffsetDeleteResponseTopic()
			out.Topic = denied[i].Topic
			for j := range denied[i].Partitions {
				out.Partitions = append(out.Partitions, kmsg.OffsetDeleteResponseTopicPartition{
					Partition: denied[i].Partitions[j].Partition, ErrorCode: kerr.TopicAuthorizationFailed.Code,
				})
			}
			if resp.ErrorCode == 0 {
				resp.Topics = append(resp.Topics, out)
			}
		}
	})
	return nil
}

func guardFindCoordinator(p *passage, req *kmsg.FindCoordinatorRequest) kmsg.Response {
	if req.Version < findCoordinatorBatch {
		code := p.coordinatorDenied(req.CoordinatorType, req.CoordinatorKey)
		if code == nil {
			return nil
		}
		resp := respond[*kmsg.FindCoordinatorResponse](req)
		resp.ErrorCode, resp.ErrorMessage, resp.NodeID, resp.Port = code.Code, &code.Description, int32(protocol.NoBroker), -1
		return resp
	}
	denied := take(p, &req.CoordinatorKeys, func(key *string) bool { return p.coordinatorDenied(req.CoordinatorType, *key) == nil })
	amend(p, func(resp *kmsg.FindCoordinatorResponse) {
		for _, key := range denied {
			code := p.coordinatorDenied(req.CoordinatorType, key)
			out := kmsg.NewFindCoordinatorResponseCoordinator()
			out.Key, out.ErrorCode, out.ErrorMessage, out.NodeID, out.Port = key, code.Code, &code.Description, int32(protocol.NoBroker), -1
			resp.Coordinators = append(resp.Coordinators, out)
		}
	})
	return nil
}

// coordinatorDenied is why a coordinator may not be asked for, or nil. That of an
// unknown kind nobody may.
func (p *passage) coordinatorDenied(kind int8, key string) *kerr.Error {
	switch kind {
	case coordinatorOfGroup:
		if !p.may(onGroup, key) {
			return kerr.GroupAuthorizationFailed
		}
	case coordinatorOfTransaction:
		if !p.may(onTransactionalID, key, ifTransactional) {
			return kerr.TransactionalIDAuthorizationFailed
		}
	}
	return nil
}

func guardOffsetFetch(p *passage, req *kmsg.OffsetFetchRequest) kmsg.Response {
	if req.Version < fetchOffsetsGroups {
		return guardOffsetFetchOfOne(p, req)
	}
	denied := take(p, &req.Groups, func(g *kmsg.OffsetFetchRequestGroup) bool { return p.may(onGroup, g.Group) })
	hidden := map[string][]kmsg.OffsetFetchRequestGroupTopic{}
	for i := range req.Groups {
		g := &req.Groups[i]
		if topics := take(p, &g.Topics, p.mayFetchOffset); len(topics) > 0 {
			hidden[g.Group] = topics
		}
	}
	amend(p, func(resp *kmsg.OffsetFetchResponse) {
		for i := range resp.Groups {
			g := &resp.Groups[i]
			g.Topics = slices.DeleteFunc(g.Topics, func(t kmsg.OffsetFetchResponseGroupTopic) bool { return !p.describesEither(t.Topic, t.TopicID) })
			if g.ErrorCode == 0 {
				g.Topics = append(g.Topics, hiddenOffsets(hidden[g.Group])...)
			}
		}
		for i := range denied {
			out := kmsg.NewOffsetFetchResponseGroup()
			out.Group, out.ErrorCode, out.Topics = denied[i].Group, kerr.GroupAuthorizationFailed.Code, []kmsg.OffsetFetchResponseGroupTopic{}
			resp.Groups = append(resp.Groups, out)
		}
	})
	return nil
}

func (p *passage) mayFetchOffset(t *kmsg.OffsetFetchRequestGroupTopic) bool {
	name, known := p.topicName(t.Topic, t.TopicID)
	return !known || p.may(onTopic, name)
}

// describesEither is describes of a topic that is named by one of the two.
func (p *passage) describesEither(name string, id protocol.TopicID) bool {
	name, known := p.topicName(name, id)
	return !known || p.describes(name)
}

func hiddenOffsets(topics []kmsg.OffsetFetchRequestGroupTopic) (answers []kmsg.OffsetFetchResponseGroupTopic) {
	for i := range topics {
		out := kmsg.NewOffsetFetchResponseGroupTopic()
		out.Topic, out.TopicID = topics[i].Topic, topics[i].TopicID
		for _, index := range topics[i].Partitions {
			o := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			o.Partition, o.Offset, o.LeaderEpoch, o.Metadata, o.ErrorCode = index, -1, -1, new(string), deniedTopic(out.TopicID)
			out.Partitions = append(out.Partitions, o)
		}
		answers = append(answers, out)
	}
	return answers
}

// guardOffsetFetchOfOne is for the versions that ask for one group.
func guardOffsetFetchOfOne(p *passage, req *kmsg.OffsetFetchRequest) kmsg.Response {
	if !p.may(onGroup, req.Group) {
		refused := kmsg.OffsetFetchResponseGroup{Group: req.Group, ErrorCode: kerr.GroupAuthorizationFailed.Code}
		return offsetsResponse(req, []kmsg.OffsetFetchResponseGroup{refused})
	}
	denied := take(p, &req.Topics, func(t *kmsg.OffsetFetchRequestTopic) bool { return p.may(onTopic, t.Topic) })
	amend(p, func(resp *kmsg.OffsetFetchResponse) {
		resp.Topics = slices.DeleteFunc(resp.Topics, func(t kmsg.OffsetFetchResponseTopic) bool { return !p.describes(t.Topic) })
		if resp.ErrorCode == 0 {
			resp.Topics = append(resp.Topics, refusedOffsets(&kmsg.OffsetFetchRequest{Topics: denied}, kerr.TopicAuthorizationFailed.Code)...)
		}
	})
	return nil
}

func guardDescribeGroups(p *passage, req *kmsg.DescribeGroupsRequest) kmsg.Response {
	denied := take(p, &req.Groups, func(g *string) bool { return p.may(onGroup, *g) })
	amend(p, func(resp *kmsg.DescribeGroupsResponse) {
		for i := range resp.Groups {
			g := &resp.Groups[i]
			g.AuthorizedOperations = p.groupOperations(g.Group, g.AuthorizedOperations)
		}
		for _, g := range denied {
			out := groupNotDescribed(req, g, kerr.GroupAuthorizationFailed)
			out.AuthorizedOperations = operationsNotAsked
			resp.Groups = append(resp.Groups, out)
		}
	})
	return nil
}

func (p *passage) groupOperations(group string, told int32) int32 {
	if told == operationsNotAsked {
		return told
	}
	return p.operations(onGroup, group, told)
}

func guardListGroups(p *passage, _ *kmsg.ListGroupsRequest) kmsg.Response {
	amend(p, func(resp *kmsg.ListGroupsResponse) {
		resp.Groups = slices.DeleteFunc(resp.Groups, func(g kmsg.ListGroupsResponseGroup) bool { return !p.sees(onGroup, g.Group) })
	})
	return nil
}

func guardDeleteGroups(p *passage, req *kmsg.DeleteGroupsRequest) kmsg.Response {
	denied := take(p, &req.Groups, func(g *string) bool { return p.may(onGroup, *g) })
	amend(p, func(resp *kmsg.DeleteGroupsResponse) {
		for _, g := range denied {
			resp.Groups = append(resp.Groups, kmsg.DeleteGroupsResponseGroup{Group: g, ErrorCode: kerr.GroupAuthorizationFailed.Code})
		}
	})
	return nil
}

// guardConsumerGroupHeartbeat: a member that subscribes by a pattern is told nothing of
// topics that it may not see.
func guardConsumerGroupHeartbeat(p *passage, req *kmsg.ConsumerGroupHeartbeatRequest) kmsg.Response {
	if !p.may(onGroup, req.Group) {
		return refuses(req, kerr.GroupAuthorizationFailed)
	}
	for _, name := range req.SubscribedTopicNames {
		if !p.may(onTopic, name) {
			return refuses(req, kerr.TopicAuthorizationFailed)
		}
	}
	amend(p, func(resp *kmsg.ConsumerGroupHeartbeatResponse) {
		if a := resp.Assignment; a != nil {
			a.Topics = slices.DeleteFunc(a.Topics, func(t kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic) bool {
				return !p.describesEither("", t.TopicID)
			})
		}
	})
	return nil
}

// guardConsumerGroupDescribe: a group with a topic that may not be seen is not shown.
func guardConsumerGroupDescribe(p *passage, req *kmsg.ConsumerGroupDescribeRequest) kmsg.Response {
	denied := take(p, &req.Groups, func(g *string) bool { return p.may(onGroup, *g) })
	amend(p, func(resp *kmsg.ConsumerGroupDescribeResponse) {
		for i := range resp.Groups {
			p.hideGroup(&resp.Groups[i])
		}
		for _, g := range denied {
			out := kmsg.NewConsumerGroupDescribeResponseGroup()
			out.Group, out.ErrorCode, out.ErrorMessage = g, kerr.GroupAuthorizationFailed.Code, &kerr.GroupAuthorizationFailed.Description
			resp.Groups = append(resp.Groups, out)
		}
	})
	return nil
}

func (p *passage) hideGroup(g *kmsg.ConsumerGroupDescribeResponseGroup) {
	g.AuthorizedOperations = p.groupOperations(g.Group, g.AuthorizedOperations)
	hides := func(name string) bool { return !p.sees(onTopic, name) }
	hidden := slices.ContainsFunc(g.Members, func(m kmsg.ConsumerGroupDescribeResponseGroupMember) bool {
		return slices.ContainsFunc(m.SubscribedTopics, hides) || assigns(&m.Assignment, hides) || assigns(&m.TargetAssignment, hides)
	})
	if hidden {
		out := kmsg.NewConsumerGroupDescribeResponseGroup()
		out.Group, out.ErrorCode = g.Group, kerr.TopicAuthorizationFailed.Code
		out.ErrorMessage = kmsg.StringPtr("The group has described topic(s) that the client is not authorized to describe.")
		*g = out
	}
}

func assigns(a *kmsg.Assignment, which func(string) bool) bool {
	return slices.ContainsFunc(a.TopicPartitions, func(t kmsg.AssignmentTopicPartition) bool { return which(t.Topic) })
}
