package broker

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// Every version of every admin API is asked for as it is on the wire, against
// a broker with one topic: it must be answered, decode, and not be an error.
func TestEveryServedVersionIsAnswered(t *testing.T) {
	s, cl := startServer(t, withoutDelay)
	w := dial(t, s.Addr(""))
	w.createTopic("v", 2)
	write(t, cl, "v", 0, 1000, 2000)
	v := versions{t: t, w: w, topic: "v"}
	for key, ask := range v.asks() {
		api, ok := protocol.Lookup(key)
		if !ok {
			t.Fatalf("API %d is not in the table", key)
		}
		t.Run(api.Name, func(t *testing.T) {
			for version := api.ServeMin; version <= api.Max; version++ {
				if code := ask(version); code != 0 {
					t.Errorf("v%d: code %d", version, code)
				}
			}
		})
	}
	elsewhere := []int16{protocol.KeyProduce, protocol.KeyFetch, protocol.KeyApiVersions,
		protocol.KeySaslHandshake, protocol.KeySaslAuthenticate, protocol.KeyDescribeUserScram, protocol.KeyAlterUserScram}
	for i := range apis {
		if _, mine := v.asks()[apis[i].key]; !mine && !slices.Contains(elsewhere, apis[i].key) {
			t.Errorf("%s has a handler and no test here", apis[i].name())
		}
	}
}

// versions asks one request of each API in a given version and returns the
// first error code of the answer.
type versions struct {
	t     *testing.T
	w     *wire
	topic string
	made  int
}

func (v *versions) asks() map[int16]func(version int16) int16 {
	return map[int16]func(int16) int16{
		protocol.KeyJoinGroup:               v.joinGroup,
		protocol.KeySyncGroup:               v.syncGroup,
		protocol.KeyHeartbeat:               v.heartbeat,
		protocol.KeyLeaveGroup:              v.leaveGroup,
		protocol.KeyOffsetCommit:            v.offsetCommit,
		protocol.KeyOffsetFetch:             v.offsetFetch,
		protocol.KeyOffsetDelete:            v.offsetDelete,
		protocol.KeyListGroups:              v.listGroups,
		protocol.KeyDescribeGroups:          v.describeGroups,
		protocol.KeyDeleteGroups:            v.deleteGroups,
		protocol.KeyAddPartitionsToTxn:      v.addPartitionsToTxn,
		protocol.KeyAddOffsetsToTxn:         v.addOffsetsToTxn,
		protocol.KeyEndTxn:                  v.endTxn,
		protocol.KeyWriteTxnMarkers:         v.writeTxnMarkers,
		protocol.KeyTxnOffsetCommit:         v.txnOffsetCommit,
		protocol.KeyDescribeTransactions:    v.describeTransactions,
		protocol.KeyListTransactions:        v.listTransactions,
		protocol.KeyConsumerGroupHeartbeat:  v.consumerGroupHeartbeat,
		protocol.KeyConsumerGroupDescribe:   v.consumerGroupDescribe,
		protocol.KeyMetadata:                v.metadata,
		protocol.KeyDescribeCluster:         v.describeCluster,
		protocol.KeyDescribeTopicPartitions: v.describeTopicPartitions,
		protocol.KeyCreateTopics:            v.createTopics,
		protocol.KeyDeleteTopics:            v.deleteTopics,
		protocol.KeyCreatePartitions:        v.createPartitions,
		protocol.KeyDescribeConfigs:         v.describeConfigs,
		protocol.KeyAlterConfigs:            v.alterConfigs,
		protocol.KeyIncrementalAlterConfigs: v.incrementalAlterConfigs,
		protocol.KeyListOffsets:             v.listOffsets,
		protocol.KeyOffsetForLeaderEpoch:    v.offsetForLeaderEpoch,
		protocol.KeyFindCoordinator:         v.findCoordinator,
		protocol.KeyInitProducerId:          v.initProducerID,
		protocol.KeyDescribeProducers:       v.describeProducers,
		protocol.KeyDeleteRecords:           v.deleteRecords,
		protocol.KeyDescribeLogDirs:         v.describeLogDirs,
		protocol.KeyElectLeaders:            v.electLeaders,
		protocol.KeyAlterReassignments:      v.alterReassignments,
		protocol.KeyListReassignments:       v.listReassignments,
		protocol.KeyListConfigResources:     v.listConfigResources,
		protocol.KeyAddRaftVoter:            v.addRaftVoter,
		protocol.KeyRemoveRaftVoter:         v.removeRaftVoter,
		protocol.KeyAlterReplicaLogDirs:     v.alterReplicaLogDirs,
		protocol.KeyDescribeQuorum:          v.describeQuorum,
		protocol.KeyUpdateFeatures:          v.updateFeatures,
		protocol.KeyUnregisterBroker:        v.unregisterBroker,
		protocol.KeyDescribeAcls:            v.describeACLs,
		protocol.KeyDescribeClientQuotas:    v.describeClientQuotas,
		protocol.KeyAlterClientQuotas:       v.alterClientQuotas,
		protocol.KeyCreateAcls:              v.createACLs,
		protocol.KeyDeleteAcls:              v.deleteACLs,
	}
}

// fresh is a topic name that was not used before.
func (v *versions) fresh() string {
	v.made++
	return "fresh-" + string(rune('a'+v.made%26)) + string(rune('a'+v.made/26))
}

func (v *versions) metadata(version int16) int16 {
	resp := ask[*kmsg.MetadataResponse](v.w, version, metadataRequest(v.topic))
	v.check(version, len(resp.Brokers) == 1 && len(resp.Topics) == 1 && len(resp.Topics[0].Partitions) == 2)
	v.check(version, resp.Brokers[0].NodeID == 1 && resp.Brokers[0].Rack == nil)
	v.check(version, resp.Topics[0].Partitions[0].Leader == 1)
	if version >= 7 {
		v.check(version, resp.Topics[0].Partitions[0].LeaderEpoch >= 0)
	}
	return resp.Topics[0].ErrorCode
}

func (v *versions) describeCluster(version int16) int16 {
	resp := ask[*kmsg.DescribeClusterResponse](v.w, version, kmsg.NewPtrDescribeClusterRequest())
	v.check(version, len(resp.Brokers) == 1 && resp.ClusterID != "" && resp.ControllerID == 1)
	v.check(version, resp.ClusterAuthorizedOperations == operationsNotAsked)
	return resp.ErrorCode
}

func (v *versions) describeTopicPartitions(version int16) int16 {
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.Topics = append(req.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: v.topic})
	resp := ask[*kmsg.DescribeTopicPartitionsResponse](v.w, version, req)
	v.check(version, len(resp.Topics) == 1 && len(resp.Topics[0].Partitions) == 2)
	return resp.Topics[0].ErrorCode
}

func (v *versions) createTopics(version int16) int16 {
	resp := ask[*kmsg.CreateTopicsResponse](v.w, version, newTopicRequest(v.fresh(), 3, "retention.ms", "1234"))
	rt := resp.Topics[0]
	if version >= 5 {
		v.check(version, rt.NumPartitions == 3 && rt.ReplicationFactor == 1 && len(rt.Configs) > 20)
	}
	if version >= 7 {
		v.check(version, rt.TopicID != [16]byte{})
	}
	return rt.ErrorCode
}

func (v *versions) deleteTopics(version int16) int16 {
	name := v.fresh()
	v.w.createTopic(name, 1)
	resp := ask[*kmsg.DeleteTopicsResponse](v.w, version, deleteTopicRequest(name))
	v.check(version, text(resp.Topics[0].Topic) == name)
	return resp.Topics[0].ErrorCode
}

func (v *versions) createPartitions(version int16) int16 {
	name := v.fresh()
	v.w.createTopic(name, 1)
	resp := ask[*kmsg.CreatePartitionsResponse](v.w, version, partitionsRequest(name, 4))
	got := ask[*kmsg.MetadataResponse](v.w, 12, metadataRequest(name))
	v.check(version, len(got.Topics[0].Partitions) == 4)
	return resp.Topics[0].ErrorCode
}

func (v *versions) describeConfigs(version int16) int16 {
	req := describeConfigsRequest(kmsg.ConfigResourceTypeTopic, v.topic, "retention.ms")
	req.IncludeSynonyms, req.IncludeDocumentation = true, true
	resp := ask[*kmsg.DescribeConfigsResponse](v.w, version, req)
	rr := resp.Resources[0]
	v.check(version, len(rr.Configs) == 1 && text(rr.Configs[0].Value) == "604800000" && rr.Configs[0].Source == 5)
	if version >= 3 {
		v.check(version, rr.Configs[0].ConfigType == kmsg.ConfigTypeLong && len(text(rr.Configs[0].Documentation)) > 10)
	}
	return rr.ErrorCode
}

func (v *versions) alterConfigs(version int16) int16 {
	req := replaceConfigsRequest(kmsg.ConfigResourceTypeTopic, v.topic, "retention.ms", "604800000")
	resp := ask[*kmsg.AlterConfigsResponse](v.w, version, req)
	ask[*kmsg.AlterConfigsResponse](v.w, version, replaceConfigsRequest(kmsg.ConfigResourceTypeTopic, v.topic))
	return resp.Resources[0].ErrorCode
}

func (v *versions) incrementalAlterConfigs(version int16) int16 {
	set := changeConfigsRequest(v.topic, kmsg.IncrementalAlterConfigOpSet, "segment.ms", "77777")
	resp := ask[*kmsg.IncrementalAlterConfigsResponse](v.w, version, set)
	return resp.Resources[0].ErrorCode
}

func (v *versions) listOffsets(version int16) int16 {
	resp := ask[*kmsg.ListOffsetsResponse](v.w, version, listOffsetsRequest(v.topic, timeLatest))
	p := resp.Topics[0].Partitions[0]
	v.check(version, p.Offset == 2 && p.Timestamp == -1 && (version < 4 || p.LeaderEpoch >= 0))
	return p.ErrorCode
}

func (v *versions) offsetForLeaderEpoch(version int16) int16 {
	resp := ask[*kmsg.OffsetForLeaderEpochResponse](v.w, version, leaderEpochRequest(v.topic, 0))
	p := resp.Topics[0].Partitions[0]
	v.check(version, p.EndOffset == 2 && p.LeaderEpoch == 0)
	return p.ErrorCode
}

func (v *versions) findCoordinator(version int16) int16 {
	resp := ask[*kmsg.FindCoordinatorResponse](v.w, version, coordinatorRequest(coordinatorOfGroup, "g"))
	if version >= findCoordinatorBatch {
		v.check(version, resp.Coordinators[0].NodeID == 1 && resp.Coordinators[0].Host == "127.0.0.1")
		return resp.Coordinators[0].ErrorCode
	}
	v.check(version, resp.NodeID == 1 && resp.Host == "127.0.0.1" && resp.Port > 0)
	return resp.ErrorCode
}

func (v *versions) initProducerID(version int16) int16 {
	resp := ask[*kmsg.InitProducerIDResponse](v.w, version, kmsg.NewPtrInitProducerIDRequest())
	v.check(version, resp.ProducerID >= 0 && resp.ProducerEpoch == 0)
	return resp.ErrorCode
}

func (v *versions) describeProducers(version int16) int16 {
	resp := ask[*kmsg.DescribeProducersResponse](v.w, version, describeProducersRequest(v.topic, 0))
	v.check(version, len(resp.Topics[0].Partitions[0].ActiveProducers) == 1)
	return resp.Topics[0].Partitions[0].ErrorCode
}

func (v *versions) deleteRecords(version int16) int16 {
	resp := ask[*kmsg.DeleteRecordsResponse](v.w, version, deleteRecordsRequest(v.topic, 0))
	v.check(version, resp.Topics[0].Partitions[0].LowWatermark == 0)
	return resp.Topics[0].Partitions[0].ErrorCode
}

func (v *versions) describeLogDirs(version int16) int16 {
	resp := ask[*kmsg.DescribeLogDirsResponse](v.w, version, kmsg.NewPtrDescribeLogDirsRequest())
	v.check(version, len(resp.Dirs) == 1 && len(resp.Dirs[0].Topics) > 0)
	if version >= 4 {
		v.check(version, resp.Dirs[0].TotalBytes > 0 && resp.Dirs[0].UsableBytes > 0)
	}
	return resp.Dirs[0].ErrorCode
}

func (v *versions) check(version int16, ok bool) {
	v.t.Helper()
	if !ok {
		v.t.Errorf("v%d: the answer is not what was expected", version)
	}
}

func (v *versions) electLeaders(version int16) int16 {
	req := kmsg.NewPtrElectLeadersRequest()
	req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: v.topic, Partitions: []int32{1, 1}}}
	resp := ask[*kmsg.ElectLeadersResponse](v.w, version, req)
	v.check(version, len(resp.Topics) == 1 && len(resp.Topics[0].Partitions) == 1 &&
		resp.Topics[0].Partitions[0].ErrorCode == kerr.ElectionNotNeeded.Code)
	return resp.ErrorCode
}

// A broker that wants in must be reached where it says that it waits.
func (v *versions) addRaftVoter(version int16) int16 {
	req := kmsg.NewPtrAddRaftVoterRequest()
	req.VoterID = 3
	resp := ask[*kmsg.AddRaftVoterResponse](v.w, version, req)
	v.check(version, resp.ErrorCode == kerr.InvalidRequest.Code && strings.Contains(text(resp.ErrorMessage), `no listener "peer"`))
	req.Listeners = []kmsg.AddRaftVoterRequestListener{{Name: "peer", Host: "127.0.0.1", Port: 1}}
	resp = ask[*kmsg.AddRaftVoterResponse](v.w, version, req)
	v.check(version, resp.ErrorCode != 0 && resp.ErrorMessage != nil)
	req.ClusterID = kmsg.StringPtr("another")
	v.check(version, ask[*kmsg.AddRaftVoterResponse](v.w, version, req).ErrorCode == kerr.InconsistentClusterID.Code)
	return 0
}

// A broker alone has nobody to replace.
func (v *versions) removeRaftVoter(version int16) int16 {
	req := kmsg.NewPtrRemoveRaftVoterRequest()
	req.VoterID = 3
	resp := ask[*kmsg.RemoveRaftVoterResponse](v.w, version, req)
	v.check(version, resp.ErrorCode == kerr.InvalidRequest.Code && resp.ErrorMessage != nil)
	req.ClusterID = kmsg.StringPtr("another")
	v.check(version, ask[*kmsg.RemoveRaftVoterResponse](v.w, version, req).ErrorCode == kerr.InconsistentClusterID.Code)
	return 0
}

// There is one directory, and what is asked of another fails as in Kafka.
func (v *versions) alterReplicaLogDirs(version int16) int16 {
	dirs := ask[*kmsg.DescribeLogDirsResponse](v.w, 4, kmsg.NewPtrDescribeLogDirsRequest()).Dirs
	move := func(topic string, partition int32, dir string) int16 {
		req := kmsg.NewPtrAlterReplicaLogDirsRequest()
		req.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: dir, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: topic, Partitions: []int32{partition}}}}}
		topics := ask[*kmsg.AlterReplicaLogDirsResponse](v.w, version, req).Topics
		v.check(version, len(topics) == 1 && topics[0].Topic == topic && len(topics[0].Partitions) == 1 && topics[0].Partitions[0].Partition == partition)
		return topics[0].Partitions[0].ErrorCode
	}
	v.check(version, move(v.topic, 0, "/nowhere") == kerr.LogDirNotFound.Code)
	v.check(version, move(v.topic, 99, dirs[0].Dir) == kerr.UnknownTopicOrPartition.Code)
	v.check(version, move("nobody", 0, dirs[0].Dir) == kerr.UnknownTopicOrPartition.Code)
	v.check(version, move("nobody", 0, "/nowhere") == kerr.LogDirNotFound.Code)
	return move(v.topic, 1, dirs[0].Dir)
}

func (v *versions) describeQuorum(version int16) int16 {
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	resp := ask[*kmsg.DescribeQuorumResponse](v.w, version, req)
	v.check(version, resp.ErrorCode == kerr.UnsupportedVersion.Code && len(resp.Topics) == 0)
	v.check(version, version < 2 || text(resp.ErrorMessage) == "Metadata is kept in etcd here: there is no KRaft quorum to describe.")
	return 0
}

func (v *versions) updateFeatures(version int16) int16 {
	const failed = "The update failed for all features since the following feature had an error: "
	update := func(name string, level int16) *kmsg.UpdateFeaturesResponse {
		req := kmsg.NewPtrUpdateFeaturesRequest()
		req.FeatureUpdates = []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: "group.version", MaxVersionLevel: 1}, {Feature: name, MaxVersionLevel: level}}
		resp := ask[*kmsg.UpdateFeaturesResponse](v.w, version, req)
		v.check(version, (len(resp.Results) == 2) == (version < 2 && resp.ErrorCode == 0))
		return resp
	}
	for _, c := range []struct {
		name  string
		level int16
		says  string
	}{
		{"no.such", 1, "Invalid update version 1 for feature no.such. Local controller 1 does not support this feature."},
		{"no.such", 0, "Invalid update version 0 for feature no.such. Feature no.such not found."},
		{"group.version", 9, "Invalid update version 9 for feature group.version. Local controller 1 only supports versions 0-1"},
		{"group.version", 0, "Invalid update version 0 for feature group.version. It is in force at 1 on every broker, always."},
		{"conflict.version", 2, "Invalid update version 2 for feature conflict.version. Local controller 1 only supports versions 1-1"},
	} {
		resp := update(c.name, c.level)
		v.check(version, resp.ErrorCode == kerr.InvalidUpdateVersion.Code && text(resp.ErrorMessage) == failed+c.says)
	}
	return update("conflict.version", 1).ErrorCode
}

// A registration hangs on the life of its broker: nobody else can end it, and of a dead one there is none.
func (v *versions) unregisterBroker(version int16) int16 {
	req := kmsg.NewPtrUnregisterBrokerRequest()
	req.BrokerID = 99
	resp := ask[*kmsg.UnregisterBrokerResponse](v.w, version, req)
	v.check(version, resp.ErrorCode == kerr.BrokerIDNotRegistered.Code && text(resp.ErrorMessage) == "Broker ID 99 is not currently registered")
	req.BrokerID = 1
	resp = ask[*kmsg.UnregisterBrokerResponse](v.w, version, req)
	v.check(version, resp.ErrorCode == kerr.InvalidRequest.Code && text(resp.ErrorMessage) == "Broker ID 1 is live: its registration ends when it stops")
	return 0
}

func (v *versions) alterReassignments(version int16) int16 {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: v.topic, Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{
		{Partition: 0, Replicas: []int32{1}}, {Partition: 1}, {Partition: 2},
	}}}
	resp := ask[*kmsg.AlterPartitionAssignmentsResponse](v.w, version, req)
	for i, want := range []int16{0, kerr.NoReassignmentInProgress.Code, kerr.UnknownTopicOrPartition.Code} {
		v.check(version, resp.Topics[0].Partitions[i].ErrorCode == want)
	}
	return resp.ErrorCode
}

func (v *versions) listReassignments(version int16) int16 {
	resp := ask[*kmsg.ListPartitionReassignmentsResponse](v.w, version, kmsg.NewPtrListPartitionReassignmentsRequest())
	v.check(version, len(resp.Topics) == 0)
	return resp.ErrorCode
}

// The broker has no authorizer, and says so.
func (v *versions) describeACLs(version int16) int16 {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	req.Operation, req.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	v.check(version, ask[*kmsg.DescribeACLsResponse](v.w, version, req).ErrorCode == kerr.SecurityDisabled.Code)
	return 0
}

func (v *versions) createACLs(version int16) int16 {
	req := kmsg.NewPtrCreateACLsRequest()
	req.Creations = append(req.Creations, kmsg.NewCreateACLsRequestCreation())
	resp := ask[*kmsg.CreateACLsResponse](v.w, version, req)
	v.check(version, len(resp.Results) == 1 && resp.Results[0].ErrorCode == kerr.SecurityDisabled.Code)
	return 0
}

func (v *versions) deleteACLs(version int16) int16 {
	req := kmsg.NewPtrDeleteACLsRequest()
	req.Filters = append(req.Filters, kmsg.NewDeleteACLsRequestFilter())
	resp := ask[*kmsg.DeleteACLsResponse](v.w, version, req)
	v.check(version, len(resp.Results) == 1 && resp.Results[0].ErrorCode == kerr.SecurityDisabled.Code)
	return 0
}

func (v *versions) describeClientQuotas(version int16) int16 {
	return ask[*kmsg.DescribeClientQuotasResponse](v.w, version, kmsg.NewPtrDescribeClientQuotasRequest()).ErrorCode
}

func (v *versions) alterClientQuotas(version int16) int16 {
	resp := ask[*kmsg.AlterClientQuotasResponse](v.w, version, limitRequest("producer_byte_rate", 1e9, "user", "nobody"))
	v.check(version, len(resp.Entries) == 1)
	return resp.Entries[0].ErrorCode
}
