package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// What the access matrix asks: for the topic acc-1, which is there, for acc-none, which
// is not, and for the group acc-g.

func recordQuestions(t *testing.T, id [16]byte) []accessQuestion {
	produce := func(topic string) *kmsg.ProduceRequest {
		b := record.NewBuilder(record.CodecNone)
		b.Add(record.Record{Timestamp: 1, Value: []byte("v")})
		raw, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 5000
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: raw}}}}
		return req
	}
	transactional := produce("acc-1")
	transactional.TransactionID = kmsg.StringPtr("acc-t")
	fetch := func(topic string, id [16]byte) *kmsg.FetchRequest {
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.ReplicaID = 1<<20, -1
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.PartitionMaxBytes = 1 << 20
		req.Topics = []kmsg.FetchRequestTopic{{Topic: topic, TopicID: id, Partitions: []kmsg.FetchRequestTopicPartition{rp}}}
		return req
	}
	follower := fetch("acc-1", id)
	follower.ReplicaID, follower.ReplicaState.ID = 7, 7
	byName, unknownID := fetch("acc-none", id), fetch("acc-1", [16]byte{1, 2, 3})
	init := func(id *string) *kmsg.InitProducerIDRequest {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = id, 1000
		return req
	}
	return []accessQuestion{
		{what: "acc-1", req: produce("acc-1")}, {what: "acc-none", req: produce("acc-none")}, {what: "transaction acc-t", req: transactional, denied: true},
		{what: "acc-1, by id from v13", req: fetch("acc-1", id)}, {what: "acc-none, acc-1 by id", req: byName}, {what: "an unknown id", from: 13, req: unknownID},
		{what: "as broker 7", req: follower, to: 14},
		{what: "acc-1", req: listOffsetsRequest("acc-1", -1)}, {what: "acc-none", req: listOffsetsRequest("acc-none", -1)},
		{what: "acc-1", req: leaderEpochRequest("acc-1", 0)}, {what: "acc-none", req: leaderEpochRequest("acc-none", 0)},
		{what: "acc-1", req: describeProducersRequest("acc-1", 0)}, {what: "acc-none", req: describeProducersRequest("acc-none", 0)},
		{what: "acc-1", req: deleteRecordsRequest("acc-1", 0)}, {what: "acc-none", req: deleteRecordsRequest("acc-none", 0)},
		{what: "idempotent", req: init(nil)}, {what: "acc-t", req: init(kmsg.StringPtr("acc-t")), denied: true},
	}
}

func topicQuestions(id [16]byte) []accessQuestion {
	metadata := func(topics ...string) *kmsg.MetadataRequest {
		req := metadataRequest(topics...)
		req.AllowAutoTopicCreation = true
		return req
	}
	metadataByID := func(id [16]byte) *kmsg.MetadataRequest {
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{{TopicID: id}}
		return req
	}
	all := kmsg.NewPtrMetadataRequest()
	all.Topics = nil
	describe := func(topics ...string) *kmsg.DescribeTopicPartitionsRequest {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		for _, name := range topics {
			req.Topics = append(req.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: name})
		}
		return req
	}
	create := func(name string) *kmsg.CreateTopicsRequest {
		req := kmsg.NewPtrCreateTopicsRequest()
		req.ValidateOnly, req.TimeoutMillis = true, 5000
		req.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: name, NumPartitions: 1, ReplicationFactor: 1}}
		return req
	}
	deleteByID := func(id [16]byte) *kmsg.DeleteTopicsRequest {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: id}}
		return req
	}
	partitions := partitionsRequest("acc-1", 2)
	partitions.ValidateOnly = true
	unknown := [16]byte{1, 2, 3}
	replace := func(kind kmsg.ConfigResourceType, name string) *kmsg.AlterConfigsRequest {
		req := replaceConfigsRequest(kind, name)
		req.ValidateOnly = true
		return req
	}
	change := func(kind kmsg.ConfigResourceType, name string) *kmsg.IncrementalAlterConfigsRequest {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.ValidateOnly = true
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kind, ResourceName: name}}
		return req
	}
	qs := []accessQuestion{
		{what: "acc-1", req: metadata("acc-1")}, {what: "acc-none", req: metadata("acc-none")}, {what: "acc-1 by id", from: 12, req: metadataByID(id)},
		{what: "an unknown id", from: 12, req: metadataByID(unknown)}, {what: "all", from: 1, req: all},
		{what: "acc-1", req: describe("acc-1")}, {what: "acc-none", req: describe("acc-none")}, {what: "all", req: describe()},
		{what: "acc-1", req: create("acc-1")}, {what: "acc-none", req: create("acc-none")},
		{what: "acc-none", req: deleteTopicRequest("acc-none")}, {what: "an unknown id", from: 6, req: deleteByID(unknown)},
		{what: "acc-1", req: partitions}, {what: "acc-none", req: partitionsRequest("acc-none", 2)},
	}
	for _, r := range []configResource{
		{kmsg.ConfigResourceTypeTopic, "acc-1"}, {kmsg.ConfigResourceTypeGroupConfig, "acc-g"}, {kmsg.ConfigResourceTypeBroker, "1"},
	} {
		what := r.kind.String() + " " + r.name
		qs = append(qs, accessQuestion{what: what, req: describeConfigsRequest(r.kind, r.name)}, accessQuestion{what: what, req: replace(r.kind, r.name)},
			accessQuestion{what: what, req: change(r.kind, r.name)})
	}
	return qs
}

func groupQuestions() []accessQuestion {
	commit := func(topic string) *kmsg.OffsetCommitRequest {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation = "acc-g", -1
		req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{kmsg.NewOffsetCommitRequestTopicPartition()}}}
		return req
	}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Group = "acc-g"
	fetch.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "acc-1", Partitions: []int32{0}}, {Topic: "other-1", Partitions: []int32{0}}}
	fetch.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "acc-g", MemberEpoch: -1, Topics: []kmsg.OffsetFetchRequestGroupTopic{
		{Topic: "acc-1", Partitions: []int32{0}}, {Topic: "other-1", Partitions: []int32{0}},
	}}}
	forget := kmsg.NewPtrOffsetDeleteRequest()
	forget.Group = "acc-g"
	forget.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: "acc-1", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{}}}}
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.MemberID, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = "acc-g", "nobody", 10_000, 10_000, "consumer"
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.ProtocolType, sync.Protocol = "acc-g", "nobody", kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID = "acc-g", "nobody"
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group, leave.MemberID = "acc-g", "nobody"
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: "nobody"}}
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{"acc-g"}
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Groups = []string{"acc-none"}
	consume := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	consume.Group, consume.MemberID, consume.MemberEpoch, consume.SubscribedTopicNames = "acc-c", "nobody", 5, []string{"acc-1"}
	consumers := kmsg.NewPtrConsumerGroupDescribeRequest()
	consumers.Groups = []string{"acc-c"}
	return []accessQuestion{
		{what: "group acc-g", req: coordinatorRequest(0, "acc-g")}, {what: "transaction acc-t", from: 1, req: coordinatorRequest(1, "acc-t"), denied: true},
		{what: "acc-1", req: commit("acc-1")}, {what: "acc-none", req: commit("acc-none")}, {what: "acc-1, other-1", req: fetch}, {what: "acc-1", req: forget},
		{what: "acc-g", req: join}, {what: "acc-g", req: sync}, {what: "acc-g", req: beat}, {what: "acc-g", req: leave}, {what: "acc-g", req: describe}, {what: "", req: kmsg.NewPtrListGroupsRequest()},
		{what: "acc-none", req: remove}, {what: "acc-c", req: consume}, {what: "acc-c", req: consumers},
	}
}

func clusterQuestions() []accessQuestion {
	dirs := kmsg.NewPtrDescribeLogDirsRequest()
	dirs.Topics = nil
	move := kmsg.NewPtrAlterReplicaLogDirsRequest()
	move.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: "/nowhere", Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: "acc-1", Partitions: []int32{0}}}}}
	elect := kmsg.NewPtrElectLeadersRequest()
	elect.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "acc-none", Partitions: []int32{0}}}
	listMoves := kmsg.NewPtrListPartitionReassignmentsRequest()
	listMoves.Topics = nil
	controllers := kmsg.NewPtrDescribeClusterRequest()
	controllers.EndpointType = 2
	voter := kmsg.NewPtrRemoveRaftVoterRequest()
	voter.ClusterID = kmsg.StringPtr("another")
	addVoter := kmsg.NewPtrAddRaftVoterRequest()
	addVoter.ClusterID = kmsg.StringPtr("another")
	describe := kmsg.NewPtrDescribeACLsRequest()
	describe.ResourceType, describe.ResourcePatternType, describe.Operation, describe.PermissionType = 1, 1, 1, 1
	create := kmsg.NewPtrCreateACLsRequest()
	create.Creations = []kmsg.CreateACLsRequestCreation{kmsg.NewCreateACLsRequestCreation()}
	remove := kmsg.NewPtrDeleteACLsRequest()
	remove.Filters = []kmsg.DeleteACLsRequestFilter{{ResourceType: 2, ResourcePatternType: 3, ResourceName: kmsg.StringPtr("none"), Operation: 1, PermissionType: 1}}
	return []accessQuestion{
		{what: "", req: kmsg.NewPtrApiVersionsRequest()},
		{what: "", req: dirs}, {what: "acc-1", req: move}, {what: "acc-none", req: elect}, {what: "", req: kmsg.NewPtrAlterPartitionAssignmentsRequest()}, {what: "", req: listMoves},
		{what: "", req: kmsg.NewPtrDescribeQuorumRequest()}, {what: "", req: kmsg.NewPtrUpdateFeaturesRequest()}, {what: "", req: kmsg.NewPtrDescribeClusterRequest()},
		{what: "controllers", from: 1, req: controllers}, {what: "", req: kmsg.NewPtrUnregisterBrokerRequest()}, {what: "", req: kmsg.NewPtrListConfigResourcesRequest()}, {what: "", req: voter}, {what: "", req: addVoter},
		{what: "", req: describe}, {what: "", req: create}, {what: "none", req: remove},
	}
}
