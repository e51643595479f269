package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// One member's life, step by step, is held against kfake: the codes of every
// answer must be the same, and so must what a client goes by.
//
// Left out is where kfake is further from Kafka than we want to be: an unknown
// group's offsets (GROUP_ID_NOT_FOUND, on which several clients stumble),
// and a heartbeat, a commit and a leave before there is a group.
func TestAGroupSessionGetsTheCodesOfKfake(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(2), kfake.SeedTopics(2, "v"))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	s, _ := startServer(t, withoutDelay)
	w := dial(t, s.Addr(""))
	w.createTopic("v", 2)
	fakeClient, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer fakeClient.Close()
	ours := groupSession{session: session{w: w}, who: map[string]string{}}
	theirs := groupSession{session: session{w: dial(t, fake.ListenAddrs()[0])}, who: map[string]string{}}
	for _, st := range memberSession {
		got, want := st.told(&ours), st.told(&theirs)
		if got != want {
			t.Errorf("%s:\n  ours   %s\n  kfake  %s", st.name, got, want)
		}
	}
}

// groupSession is one side; who are the ids that it gave to members.
type groupSession struct {
	session
	who        map[string]string
	generation int32
}

// groupStep is a request of the session.
type groupStep struct {
	name string
	told func(*groupSession) string
}

func joinStep(name, as string, version int16, change func(*kmsg.JoinGroupRequest)) groupStep {
	return groupStep{name, func(s *groupSession) string {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.MemberID, req.ProtocolType = "g", s.who[as], "consumer"
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 30_000, int32(time.Minute.Milliseconds())
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscribed("v")}}
		if change != nil {
			change(req)
		}
		resp := ask[*kmsg.JoinGroupResponse](s.w, version, req)
		if resp.MemberID != "" && resp.MemberID != "stranger" {
			s.who[as] = resp.MemberID
		}
		if resp.ErrorCode == 0 {
			s.generation = resp.Generation
		}
		return fmt.Sprintf("code %d generation %d protocol %s leads %v members %d", resp.ErrorCode, resp.Generation,
			orEmpty(resp.Protocol), resp.LeaderID == resp.MemberID && resp.MemberID != "", len(resp.Members))
	}}
}

func syncStep(name, as string, change func(*kmsg.SyncGroupRequest)) groupStep {
	return groupStep{name, func(s *groupSession) string {
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group, req.MemberID, req.Generation = "g", s.who[as], s.generation
		req.ProtocolType, req.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
		req.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: s.who[as], MemberAssignment: []byte("all")}}
		if change != nil {
			change(req)
		}
		resp := ask[*kmsg.SyncGroupResponse](s.w, 5, req)
		return fmt.Sprintf("code %d %q", resp.ErrorCode, resp.MemberAssignment)
	}}
}

func beatStep(name, as string, more int32, instance *string) groupStep {
	return groupStep{name, func(s *groupSession) string {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.Generation, req.InstanceID = "g", s.who[as], s.generation+more, instance
		return fmt.Sprint(ask[*kmsg.HeartbeatResponse](s.w, 4, req).ErrorCode)
	}}
}

func commitStep(name, as string, more int32) groupStep {
	return groupStep{name, func(s *groupSession) string {
		c := consumer{w: s.w, group: "g", member: s.who[as], generation: s.generation + more}
		return fmt.Sprint(c.commit(8, "v", 1, 5))
	}}
}

func leaveStep(name, as string) groupStep {
	return groupStep{name, func(s *groupSession) string {
		c := consumer{w: s.w, group: "g", member: s.who[as]}
		resp := c.leave(4)
		return fmt.Sprint(resp.ErrorCode, resp.Members[0].ErrorCode)
	}}
}

func stateStep(name string) groupStep {
	return groupStep{name, func(s *groupSession) string {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{"g"}
		g := ask[*kmsg.DescribeGroupsResponse](s.w, 5, req).Groups[0]
		list := ask[*kmsg.ListGroupsResponse](s.w, 4, kmsg.NewPtrListGroupsRequest())
		listed := ""
		for _, l := range list.Groups {
			if l.Group == "g" {
				listed = l.GroupState + " " + l.ProtocolType
			}
		}
		return fmt.Sprintf("%d %s %s %d members; listed %s", g.ErrorCode, g.State, g.ProtocolType, len(g.Members), listed)
	}}
}

func askStep(name string, version int16, req kmsg.Request) groupStep {
	st := step{name: name, version: version, req: same(req)}
	return groupStep{name, func(s *groupSession) string { return st.told(&s.session) }}
}

func fetchStep(name string, version int16) groupStep {
	return groupStep{name, func(s *groupSession) string {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = "g"
		req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "v", Partitions: []int32{0, 1}}}
		resp := ask[*kmsg.OffsetFetchResponse](s.w, version, req)
		text := fmt.Sprint(resp.ErrorCode)
		for _, p := range resp.Topics[0].Partitions {
			text += fmt.Sprintf("; %d: %d code %d", p.Partition, p.Offset, p.ErrorCode)
		}
		return text
	}}
}

func deleteOffsetRequest(topic string) *kmsg.OffsetDeleteRequest {
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = "g"
	req.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 1}}}}
	return req
}

func deleteGroupsRequest(names ...string) *kmsg.DeleteGroupsRequest {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = names
	return req
}

var memberSession = []groupStep{
	joinStep("no group id", "", 5, func(r *kmsg.JoinGroupRequest) { r.Group = "" }),
	joinStep("a session too short", "", 5, func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 1 }),
	joinStep("a session too long", "", 5, func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 1 << 30 }),
	joinStep("a forged member id", "", 5, func(r *kmsg.JoinGroupRequest) { r.MemberID = "stranger" }),
	joinStep("no protocols", "", 5, func(r *kmsg.JoinGroupRequest) { r.Protocols = nil }),
	askStep("delete before the group", 2, deleteGroupsRequest("g")),
	joinStep("the first join", "a", 5, nil),
	joinStep("the second", "a", 5, nil),
	beatStep("a heartbeat before the assignment", "a", 0, nil),
	syncStep("a sync of an old generation", "a", func(r *kmsg.SyncGroupRequest) { r.Generation-- }),
	syncStep("a sync of another protocol", "a", func(r *kmsg.SyncGroupRequest) { r.Protocol = kmsg.StringPtr("sticky") }),
	syncStep("a sync of a stranger", "nobody", func(r *kmsg.SyncGroupRequest) { r.MemberID = "stranger" }),
	syncStep("the sync", "a", nil),
	stateStep("stable"),
	beatStep("a heartbeat", "a", 0, nil),
	beatStep("a heartbeat of a generation to come", "a", 1, nil),
	beatStep("a heartbeat of nobody", "nobody", 0, nil),
	beatStep("a heartbeat of an unknown instance", "a", 0, kmsg.StringPtr("i9")),
	commitStep("a commit", "a", 0),
	commitStep("a commit of an old generation", "a", -1),
	commitStep("a commit of nobody", "nobody", 0),
	fetchStep("the offsets", 5),
	joinStep("a member that cannot do the protocol", "b", 5, func(r *kmsg.JoinGroupRequest) { r.Protocols[0].Name = "sticky" }),
	joinStep("a member of another type", "b", 5, func(r *kmsg.JoinGroupRequest) { r.ProtocolType = "connect" }),
	askStep("delete a group with members", 2, deleteGroupsRequest("g")),
	askStep("delete an offset that is in use", 0, deleteOffsetRequest("v")),
	leaveStep("a stranger leaves", "nobody"),
	leaveStep("the member leaves", "a"),
	stateStep("empty"),
	beatStep("a heartbeat after that", "a", 0, nil),
	fetchStep("the offsets that stay", 7),
	askStep("delete an offset", 0, deleteOffsetRequest("v")),
	fetchStep("the offset is gone", 5),
	askStep("delete the group", 2, deleteGroupsRequest("g")),
	stateStep("gone"),
}
