package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// apis is the table of all APIs that are served, sorted by key. A new API is a
// row here, one in protocol's table of versions, one in docs/protocol.md and a
// file with its handler; tests hold them together.
//
// Needs are those of Kafka's brokers and controllers, as they ask their
// authorizer; guards.go has how they are asked for.
var apis = [...]api{
	{
		key:     protocol.KeyProduce,
		call:    finishes(kmsg.NewPtrProduceRequest, (*Server).produce),
		refused: (*Server).produceTooOld,
		limits:  transport.Limits{Pipelined: true, MemoryFactor: 1}, // its answer is short
		needs: []need{
			{aclWrite, onTransactionalID, scopeRequest, ifTransactional},
			{aclWrite, onTopic, scopeNamed, always},
		},
		audience: clients, quota: quotaProduce,
	},
	{
		key:  protocol.KeyFetch,
		call: finishes(kmsg.NewPtrFetchRequest, (*Server).fetch),
		needs: []need{
			{aclClusterAction, onCluster, scopeRequest, ifFollower},
			{aclRead, onTopic, scopeNamed, ifConsumer},
		},
		audience: clients | brokers, quota: quotaFetch,
	},
	{
		key:      protocol.KeyListOffsets,
		call:     answers(kmsg.NewPtrListOffsetsRequest, (*Server).listOffsets),
		needs:    []need{{aclDescribe, onTopic, scopeNamed, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:  protocol.KeyMetadata,
		call: answers(kmsg.NewPtrMetadataRequest, (*Server).metadata),
		needs: []need{
			{aclDescribe, onTopic, scopeNamed, always}, // where all are asked for, the others are left out
			{aclCreate, onCluster, scopeInstead, ifCreating},
			{aclCreate, onTopic, scopeNamed, ifCreating},
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:  protocol.KeyOffsetCommit,
		call: answers(kmsg.NewPtrOffsetCommitRequest, (*Server).offsetCommit),
		needs: []need{
			{aclRead, onGroup, scopeRequest, always},
			{aclRead, onTopic, scopeNamed, always},
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:  protocol.KeyOffsetFetch,
		call: answers(kmsg.NewPtrOffsetFetchRequest, (*Server).offsetFetch),
		needs: []need{
			{aclDescribe, onGroup, scopeNamed, always},
			{aclDescribe, onTopic, scopeNamed, always},
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:  protocol.KeyFindCoordinator,
		call: answers(kmsg.NewPtrFindCoordinatorRequest, (*Server).findCoordinator),
		needs: []need{
			{aclDescribe, onGroup, scopeNamed, always},
			{aclDescribe, onTransactionalID, scopeNamed, ifTransactional},
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyJoinGroup,
		call:     answers(kmsg.NewPtrJoinGroupRequest, (*Server).joinGroup),
		needs:    []need{{aclRead, onGroup, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyHeartbeat,
		call:     answers(kmsg.NewPtrHeartbeatRequest, (*Server).heartbeat),
		needs:    []need{{aclRead, onGroup, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyLeaveGroup,
		call:     answers(kmsg.NewPtrLeaveGroupRequest, (*Server).leaveGroup),
		needs:    []need{{aclRead, onGroup, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeySyncGroup,
		call:     answers(kmsg.NewPtrSyncGroupRequest, (*Server).syncGroup),
		needs:    []need{{aclRead, onGroup, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDescribeGroups,
		call:     answers(kmsg.NewPtrDescribeGroupsRequest, (*Server).describeGroups),
		needs:    []need{{aclDescribe, onGroup, scopeNamed, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:  protocol.KeyListGroups,
		call: answers(kmsg.NewPtrListGroupsRequest, (*Server).listGroups),
		needs: []need{
			{aclDescribe, onCluster, scopeInstead, always},
			{aclDescribe, onGroup, scopeListed, always},
		},
		audience: clients, quota: quotaRequest,
	},
	{
		// What is proven by it is proven before anything is asked of the principal.
		key:   protocol.KeySaslHandshake,
		call:  answers(kmsg.NewPtrSASLHandshakeRequest, (*Server).saslHandshake),
		needs: nothing, audience: clients | brokers, quota: quotaRequest,
	},
	{
		// A client asks before it proves who it is: it must know how.
		key:     protocol.KeyApiVersions,
		call:    answers(kmsg.NewPtrApiVersionsRequest, (*Server).apiVersions),
		refused: (*Server).refuseApiVersions,
		needs:   nothing, audience: clients | brokers, quota: quotaRequest,
	},
	{
		key:  protocol.KeyCreateTopics,
		call: answers(kmsg.NewPtrCreateTopicsRequest, (*Server).createTopics),
		needs: []need{
			{aclCreate, onCluster, scopeInstead, always},
			{aclCreate, onTopic, scopeNamed, always},
			{aclDescribeConfigs, onTopic, scopeListed, always}, // for the settings in the answer
		},
		audience: clients, quota: quotaMutation, strictFrom: 6,
	},
	{
		key:  protocol.KeyDeleteTopics,
		call: answers(kmsg.NewPtrDeleteTopicsRequest, (*Server).deleteTopics),
		needs: []need{
			{aclDelete, onCluster, scopeInstead, always},
			{aclDelete, onTopic, scopeNamed, always},
			{aclDescribe, onTopic, scopeListed, always}, // for the name of a topic that is named by its id
		},
		audience: clients, quota: quotaMutation, strictFrom: 5,
	},
	{
		key:      protocol.KeyDeleteRecords,
		call:     answers(kmsg.NewPtrDeleteRecordsRequest, (*Server).deleteRecords),
		needs:    []need{{aclDelete, onTopic, scopeNamed, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:  protocol.KeyInitProducerId,
		call: answers(kmsg.NewPtrInitProducerIDRequest, (*Server).initProducerID),
		needs: []need{
			{aclWrite, onTransactionalID, scopeRequest, ifTransactional},
			{aclIdempotentWrite, onCluster, scopeInstead, ifIdempotent},
			{aclWrite, onTopic, scopeAny, ifIdempotent},
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:  protocol.KeyOffsetForLeaderEpoch,
		call: answers(kmsg.NewPtrOffsetForLeaderEpochRequest, (*Server).offsetForLeaderEpoch),
		needs: []need{
			{aclClusterAction, onCluster, scopeInstead, always},
			{aclDescribe, onTopic, scopeNamed, always},
		},
		audience: clients | brokers, quota: quotaRequest,
	},
	{
		key:  protocol.KeyAddPartitionsToTxn,
		call: answers(kmsg.NewPtrAddPartitionsToTxnRequest, (*Server).addPartitionsToTxn),
		needs: []need{
			{aclClusterAction, onCluster, scopeRequest, ifBroker},
			{aclWrite, onTransactionalID, scopeRequest, ifClient},
			{aclWrite, onTopic, scopeNamed, ifClient},
		},
		audience: clients | brokers, quota: quotaRequest,
	},
	{
		key:  protocol.KeyAddOffsetsToTxn,
		call: answers(kmsg.NewPtrAddOffsetsToTxnRequest, (*Server).addOffsetsToTxn),
		needs: []need{
			{aclWrite, onTransactionalID, scopeRequest, always},
			{aclRead, onGroup, scopeRequest, always},
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyEndTxn,
		call:     answers(kmsg.NewPtrEndTxnRequest, (*Server).endTxn),
		needs:    []need{{aclWrite, onTransactionalID, scopeRequest, always}},
		audience: clients | brokers, quota: quotaRequest,
	},
	{
		key:      protocol.KeyWriteTxnMarkers,
		call:     answers(kmsg.NewPtrWriteTxnMarkersRequest, (*Server).writeTxnMarkers),
		needs:    []need{{aclClusterAction, onCluster, scopeNamed, always}}, // each partition is refused
		audience: clients | brokers, quota: quotaRequest,
	},
	{
		key:  protocol.KeyTxnOffsetCommit,
		call: answers(kmsg.NewPtrTxnOffsetCommitRequest, (*Server).txnOffsetCommit),
		needs: []need{
			{aclWrite, onTransactionalID, scopeRequest, always},
			{aclRead, onGroup, scopeRequest, always},
			{aclRead, onTopic, scopeNamed, always},
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDescribeAcls,
		call:     answers(kmsg.NewPtrDescribeACLsRequest, (*Server).describeACLs),
		needs:    []need{{aclDescribe, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyCreateAcls,
		call:     answers(kmsg.NewPtrCreateACLsRequest, (*Server).createACLs),
		needs:    []need{{aclAlter, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDeleteAcls,
		call:     answers(kmsg.NewPtrDeleteACLsRequest, (*Server).deleteACLs),
		needs:    []need{{aclAlter, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:  protocol.KeyDescribeConfigs,
		call: answers(kmsg.NewPtrDescribeConfigsRequest, (*Server).describeConfigs),
		needs: []need{
			{aclDescribeConfigs, onTopic, scopeNamed, always},
			{aclDescribeConfigs, onGroup, scopeNamed, always},
			{aclDescribeConfigs, onCluster, scopeNamed, ifBrokers},
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:   protocol.KeyAlterConfigs,
		call:  answers(kmsg.NewPtrAlterConfigsRequest, (*Server).alterConfigs),
		needs: alterConfigsNeeds, audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyAlterReplicaLogDirs,
		call:     answers(kmsg.NewPtrAlterReplicaLogDirsRequest, (*Server).alterReplicaLogDirs),
		needs:    []need{{aclAlter, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDescribeLogDirs,
		call:     answers(kmsg.NewPtrDescribeLogDirsRequest, (*Server).describeLogDirs),
		needs:    []need{{aclDescribe, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:   protocol.KeySaslAuthenticate,
		call:  answers(kmsg.NewPtrSASLAuthenticateRequest, (*Server).saslAuthenticate),
		needs: nothing, audience: clients | brokers, quota: quotaRequest,
	},
	{
		key:      protocol.KeyCreatePartitions,
		call:     answers(kmsg.NewPtrCreatePartitionsRequest, (*Server).createPartitions),
		needs:    []need{{aclAlter, onTopic, scopeNamed, always}},
		audience: clients | brokers, quota: quotaMutation, strictFrom: 3,
	},
	{
		key:      protocol.KeyDeleteGroups,
		call:     answers(kmsg.NewPtrDeleteGroupsRequest, (*Server).deleteGroups),
		needs:    []need{{aclDelete, onGroup, scopeNamed, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyElectLeaders,
		call:     answers(kmsg.NewPtrElectLeadersRequest, (*Server).electLeaders),
		needs:    []need{{aclAlter, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:   protocol.KeyIncrementalAlterConfigs,
		call:  answers(kmsg.NewPtrIncrementalAlterConfigsRequest, (*Server).incrementalAlterConfigs),
		needs: alterConfigsNeeds, audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyAlterReassignments,
		call:     answers(kmsg.NewPtrAlterPartitionAssignmentsRequest, (*Server).alterReassignments),
		needs:    []need{{aclAlter, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyListReassignments,
		call:     answers(kmsg.NewPtrListPartitionReassignmentsRequest, (*Server).listReassignments),
		needs:    []need{{aclDescribe, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:  protocol.KeyOffsetDelete,
		call: answers(kmsg.NewPtrOffsetDeleteRequest, (*Server).offsetDelete),
		needs: []need{
			{aclDelete, onGroup, scopeRequest, always},
			{aclRead, onTopic, scopeNamed, always},
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDescribeClientQuotas,
		call:     answers(kmsg.NewPtrDescribeClientQuotasRequest, (*Server).describeClientQuotas),
		needs:    []need{{aclDescribeConfigs, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyAlterClientQuotas,
		call:     answers(kmsg.NewPtrAlterClientQuotasRequest, (*Server).alterClientQuotas),
		needs:    []need{{aclAlterConfigs, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDescribeUserScram,
		call:     answers(kmsg.NewPtrDescribeUserSCRAMCredentialsRequest, (*Server).describeUserScram),
		needs:    []need{{aclDescribe, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyAlterUserScram,
		call:     answers(kmsg.NewPtrAlterUserSCRAMCredentialsRequest, (*Server).alterUserScram),
		needs:    []need{{aclAlter, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDescribeQuorum,
		call:     answers(kmsg.NewPtrDescribeQuorumRequest, (*Server).describeQuorum),
		needs:    []need{{aclDescribe, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyUpdateFeatures,
		call:     answers(kmsg.NewPtrUpdateFeaturesRequest, (*Server).updateFeatures),
		needs:    []need{{aclAlter, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDescribeCluster,
		call:     answers(kmsg.NewPtrDescribeClusterRequest, (*Server).describeCluster),
		needs:    []need{{aclAlter, onCluster, scopeRequest, ifControllers}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDescribeProducers,
		call:     answers(kmsg.NewPtrDescribeProducersRequest, (*Server).describeProducers),
		needs:    []need{{aclRead, onTopic, scopeNamed, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyUnregisterBroker,
		call:     answers(kmsg.NewPtrUnregisterBrokerRequest, (*Server).unregisterBroker),
		needs:    []need{{aclAlter, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDescribeTransactions,
		call:     answers(kmsg.NewPtrDescribeTransactionsRequest, (*Server).describeTransactions),
		needs:    []need{{aclDescribe, onTransactionalID, scopeNamed, always}},
		audience: clients | brokers, quota: quotaRequest,
	},
	{
		key:      protocol.KeyListTransactions,
		call:     answers(kmsg.NewPtrListTransactionsRequest, (*Server).listTransactions),
		needs:    []need{{aclDescribe, onTransactionalID, scopeListed, always}},
		audience: clients | brokers, quota: quotaRequest,
	},
	{
		key:  protocol.KeyConsumerGroupHeartbeat,
		call: answers(kmsg.NewPtrConsumerGroupHeartbeatRequest, (*Server).consumerGroupHeartbeat),
		needs: []need{
			{aclRead, onGroup, scopeRequest, always},
			{aclDescribe, onTopic, scopeRequest, always}, // those that it subscribes to
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:  protocol.KeyConsumerGroupDescribe,
		call: answers(kmsg.NewPtrConsumerGroupDescribeRequest, (*Server).consumerGroupDescribe),
		needs: []need{
			{aclDescribe, onGroup, scopeNamed, always},
			{aclDescribe, onTopic, scopeListed, always}, // a group with another topic is not shown
		},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyListConfigResources,
		call:     answers(kmsg.NewPtrListConfigResourcesRequest, (*Server).listConfigResources),
		needs:    []need{{aclDescribeConfigs, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyDescribeTopicPartitions,
		call:     answers(kmsg.NewPtrDescribeTopicPartitionsRequest, (*Server).describeTopicPartitions),
		needs:    []need{{aclDescribe, onTopic, scopeNamed, always}}, // where all are asked for, the others are left out
		audience: clients, quota: quotaRequest,
	},
	{
		key:      protocol.KeyAddRaftVoter,
		call:     answers(kmsg.NewPtrAddRaftVoterRequest, (*Server).addRaftVoter),
		needs:    []need{{aclAlter, onCluster, scopeRequest, always}},
		audience: clients | brokers, quota: quotaRequest,
	},
	{
		key:      protocol.KeyRemoveRaftVoter,
		call:     answers(kmsg.NewPtrRemoveRaftVoterRequest, (*Server).removeRaftVoter),
		needs:    []need{{aclAlter, onCluster, scopeRequest, always}},
		audience: clients, quota: quotaRequest,
	},
}

// alterConfigsNeeds are those of both ways to change settings.
var alterConfigsNeeds = []need{
	{aclAlterConfigs, onTopic, scopeNamed, always},
	{aclAlterConfigs, onGroup, scopeNamed, always},
	{aclAlterConfigs, onCluster, scopeNamed, ifBrokers},
}
