package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumer is a member of a group on the wire, in one version of each API or
// another.
type consumer struct {
	w          *wire
	group      string
	member     string
	generation int32
}

// join joins a group until the broker has let it in, and returns the answer.
func (c *consumer) join(version int16) *kmsg.JoinGroupResponse {
	c.w.t.Helper()
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = c.group, c.member, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 10_000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscribed("v")}}
	resp := ask[*kmsg.JoinGroupResponse](c.w, version, req)
	if resp.ErrorCode == kerr.MemberIDRequired.Code {
		req.MemberID = resp.MemberID
		resp = ask[*kmsg.JoinGroupResponse](c.w, version, req)
	}
	c.member, c.generation = resp.MemberID, resp.Generation
	return resp
}

func (c *consumer) sync(version int16) *kmsg.SyncGroupResponse {
	c.w.t.Helper()
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation = c.group, c.member, c.generation
	req.ProtocolType, req.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	req.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: c.member, MemberAssignment: []byte("all")}}
	return ask[*kmsg.SyncGroupResponse](c.w, version, req)
}

func (c *consumer) leave(version int16) *kmsg.LeaveGroupResponse {
	c.w.t.Helper()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = c.group, c.member
	req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: c.member}}
	resp := ask[*kmsg.LeaveGroupResponse](c.w, version, req)
	c.member = ""
	return resp
}

func (c *consumer) commit(version int16, topic string, partition int32, offset int64) int16 {
	c.w.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = c.group, c.member, c.generation
	if c.member == "" {
		req.Generation = -1
	}
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.Metadata = partition, offset, kmsg.StringPtr("note")
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	return ask[*kmsg.OffsetCommitResponse](c.w, version, req).Topics[0].Partitions[0].ErrorCode
}

// committed asks for one offset in the newest version.
func (c *consumer) committed(topic string, partition int32) (int64, int16) {
	c.w.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = c.group
	g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, Partitions: []int32{partition}}}
	req.Groups = append(req.Groups, g)
	rg := ask[*kmsg.OffsetFetchResponse](c.w, 9, req).Groups[0]
	if rg.ErrorCode != 0 {
		return -1, rg.ErrorCode
	}
	return rg.Topics[0].Partitions[0].Offset, rg.Topics[0].Partitions[0].ErrorCode
}

// subscribed is a consumer's subscription.
func subscribed(topics ...string) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Topics = topics
	return m.AppendTo(nil)
}

func (v *versions) consumer() *consumer { return &consumer{w: v.w, group: v.fresh()} }

// stable is a consumer alone in its group, with all assigned to it.
func (v *versions) stable() *consumer {
	c := v.consumer()
	v.check(0, c.join(9).ErrorCode == 0 && c.sync(5).ErrorCode == 0)
	return c
}

func (v *versions) joinGroup(version int16) int16 {
	c := v.consumer()
	resp := c.join(version)
	v.check(version, resp.Generation == 1 && resp.LeaderID == resp.MemberID && len(resp.Members) == 1 && text(resp.Protocol) == "range")
	v.check(version, version < 7 || text(resp.ProtocolType) == "consumer")
	code := resp.ErrorCode
	stranger := consumer{w: v.w, group: c.group, member: "stranger"}
	refused := stranger.join(version)
	v.check(version, refused.ErrorCode == kerr.UnknownMemberID.Code && refused.Generation == -1 && (version < 7) == (refused.Protocol != nil))
	c.leave(0)
	return code
}

func (v *versions) syncGroup(version int16) int16 {
	c := v.consumer()
	c.join(9)
	resp := c.sync(version)
	v.check(version, string(resp.MemberAssignment) == "all")
	c.leave(0)
	return resp.ErrorCode
}

func (v *versions) heartbeat(version int16) int16 {
	c := v.stable()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = c.group, c.member, c.generation
	code := ask[*kmsg.HeartbeatResponse](v.w, version, req).ErrorCode
	req.Generation = 7
	v.check(version, ask[*kmsg.HeartbeatResponse](v.w, version, req).ErrorCode == kerr.IllegalGeneration.Code)
	c.leave(0)
	return code
}

func (v *versions) leaveGroup(version int16) int16 {
	c := v.stable()
	resp := c.leave(version)
	if version >= leaveMembers {
		v.check(version, len(resp.Members) == 1 && resp.Members[0].ErrorCode == 0)
	}
	code := resp.ErrorCode
	resp = c.leave(version)
	if version >= leaveMembers {
		v.check(version, resp.ErrorCode == 0 && resp.Members[0].ErrorCode == kerr.UnknownMemberID.Code)
	} else {
		v.check(version, resp.ErrorCode == kerr.UnknownMemberID.Code)
	}
	return code
}

func (v *versions) offsetCommit(version int16) int16 {
	c := v.consumer()
	code := c.commit(version, v.topic, 1, 17)
	offset, _ := c.committed(v.topic, 1)
	v.check(version, offset == 17)
	v.check(version, c.commit(version, v.topic, 2, 17) == kerr.UnknownTopicOrPartition.Code)
	return code
}

func (v *versions) offsetFetch(version int16) int16 {
	c := v.consumer()
	c.commit(9, v.topic, 1, 17)
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = c.group
	req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: v.topic, Partitions: []int32{0, 1}}}
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, g.Topics = c.group, []kmsg.OffsetFetchRequestGroupTopic{{Topic: v.topic, Partitions: []int32{0, 1}}}
	nobody := kmsg.NewOffsetFetchRequestGroup()
	nobody.Group = "nobody"
	req.Groups = append(req.Groups, g, nobody)
	resp := ask[*kmsg.OffsetFetchResponse](v.w, version, req)
	if version >= fetchOffsetsGroups {
		ps := resp.Groups[0].Topics[0].Partitions
		v.check(version, len(resp.Groups) == 2 && ps[0].Offset == -1 && ps[1].Offset == 17 && text(ps[1].Metadata) == "note")
		v.check(version, len(resp.Groups[1].Topics) == 0 && resp.Groups[1].ErrorCode == 0)
		req.Groups[0].Topics = nil // asks for all
		resp = ask[*kmsg.OffsetFetchResponse](v.w, version, req)
		v.check(version, len(resp.Groups[0].Topics[0].Partitions) == 1)
		return resp.Groups[0].ErrorCode
	}
	ps := resp.Topics[0].Partitions
	v.check(version, ps[0].Offset == -1 && ps[0].ErrorCode == 0 && ps[1].Offset == 17 && text(ps[1].Metadata) == "note")
	return resp.ErrorCode
}

func (v *versions) offsetDelete(version int16) int16 {
	c := v.consumer()
	c.commit(9, v.topic, 1, 17)
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = c.group
	req.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: v.topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 1}}}}
	resp := ask[*kmsg.OffsetDeleteResponse](v.w, version, req)
	offset, _ := c.committed(v.topic, 1)
	v.check(version, offset == -1 && resp.Topics[0].Partitions[0].ErrorCode == 0)
	return resp.ErrorCode
}

func (v *versions) listGroups(version int16) int16 {
	c := v.stable()
	req := kmsg.NewPtrListGroupsRequest()
	req.StatesFilter, req.TypesFilter = []string{"stable"}, []string{"Classic"}
	resp := ask[*kmsg.ListGroupsResponse](v.w, version, req)
	for _, g := range resp.Groups {
		if g.Group == c.group {
			v.check(version, g.ProtocolType == "consumer" && (version < 4 || g.GroupState == "Stable") && (version < 5 || g.GroupType == "classic"))
			c.leave(0)
			return resp.ErrorCode
		}
	}
	v.t.Errorf("v%d: the group is not in the list", version)
	return resp.ErrorCode
}

func (v *versions) describeGroups(version int16) int16 {
	c := v.stable()
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups, req.IncludeAuthorizedOperations = []string{c.group, "nobody"}, true
	resp := ask[*kmsg.DescribeGroupsResponse](v.w, version, req)
	g := resp.Groups[0]
	v.check(version, g.State == "Stable" && g.Protocol == "range" && len(g.Members) == 1)
	m := g.Members[0]
	v.check(version, m.ClientID == "wire" && m.ClientHost == "/127.0.0.1" && string(m.MemberAssignment) == "all")
	none := resp.Groups[1]
	v.check(version, none.State == "Dead" && (none.ErrorCode == kerr.GroupIDNotFound.Code) == (version >= describeGroupsNotFound))
	c.leave(0)
	return g.ErrorCode
}

func (v *versions) deleteGroups(version int16) int16 {
	c, busy := v.consumer(), v.stable()
	c.commit(9, v.topic, 1, 17)
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{c.group, busy.group, "nobody"}
	resp := ask[*kmsg.DeleteGroupsResponse](v.w, version, req)
	v.check(version, resp.Groups[1].ErrorCode == kerr.NonEmptyGroup.Code && resp.Groups[2].ErrorCode == kerr.GroupIDNotFound.Code)
	busy.leave(0)
	return resp.Groups[0].ErrorCode
}

func (v *versions) consumerGroupHeartbeat(version int16) int16 {
	c := v.consumer()
	req := joinAs(c.group, "m", v.topic)
	req.SubscribedTopicRegex = nil
	resp := ask[*kmsg.ConsumerGroupHeartbeatResponse](v.w, version, req)
	v.check(version, text(resp.MemberID) == "m" && resp.MemberEpoch == 1 && resp.HeartbeatIntervalMillis == 500) // it has just changed
	v.check(version, len(resp.Assignment.Topics) == 1 && len(resp.Assignment.Topics[0].Partitions) == 2)
	req.MemberID, req.Group = "", v.consumer().group
	nameless := ask[*kmsg.ConsumerGroupHeartbeatResponse](v.w, version, req)
	v.check(version, (nameless.ErrorCode == kerr.InvalidRequest.Code) == (version >= heartbeatOwnID))
	return resp.ErrorCode
}

func (v *versions) consumerGroupDescribe(version int16) int16 {
	c, classic := v.consumer(), v.stable()
	ask[*kmsg.ConsumerGroupHeartbeatResponse](v.w, 1, joinAs(c.group, "m", v.topic))
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{c.group, classic.group, "nobody"}
	resp := ask[*kmsg.ConsumerGroupDescribeResponse](v.w, version, req)
	g := resp.Groups[0]
	v.check(version, g.State == "Stable" && g.Epoch == 1 && g.AssignmentEpoch == 1 && g.AssignorName == "uniform" && len(g.Members) == 1)
	m := g.Members[0]
	v.check(version, m.MemberID == "m" && m.ClientID == "wire" && m.SubscribedTopics[0] == v.topic && (version < 1 || m.MemberType == memberConsumer))
	v.check(version, m.Assignment.TopicPartitions[0].Topic == v.topic && len(m.TargetAssignment.TopicPartitions[0].Partitions) == 2)
	v.check(version, resp.Groups[1].ErrorCode == kerr.GroupIDNotFound.Code && resp.Groups[2].ErrorCode == kerr.GroupIDNotFound.Code)
	classic.leave(0)
	return g.ErrorCode
}

// joinAs is the first heartbeat of a member of the consumer protocol.
func joinAs(groupID, member string, topics ...string) *kmsg.ConsumerGroupHeartbeatRequest {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.RebalanceTimeoutMillis = groupID, member, 60_000
	req.SubscribedTopicNames, req.Topics = topics, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	return req
}

// withoutDelay lets a group's first member in at once.
func withoutDelay(c *Config) { c.Groups.InitialRebalanceDelay = Give(time.Duration(0)) }

func TestTheFirstGroupOfABrokerIsServedAtOnce(t *testing.T) {
	s, _ := startServer(t, withoutDelay)
	w := dial(t, s.Addr(""))
	w.createTopic("v", 1)
	c := consumer{w: w, group: "g"}
	if offset, code := c.committed("v", 0); offset != -1 || code != 0 {
		t.Errorf("an unknown group's offset is %d, code %d", offset, code)
	}
	if code := c.join(9).ErrorCode; code != 0 {
		t.Errorf("join: code %d", code)
	}
}
