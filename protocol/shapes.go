package protocol

import "github.com/twmb/franz-go/pkg/kmsg"

// shapes holds the shape of every request that the versions table serves, in
// Kafka's order and by Kafka's names (clients/src/main/resources/common/message
// of its sources). Versions below the served ones are left out. kmsg has the
// same fields: a test encodes each request at each version and compares. Where
// kmsg reads a tag in more versions than Kafka writes it, kmsg is followed.
var shapes = map[int16]*shape{
	KeyProduce: of[kmsg.ProduceRequest](
		str("transactional_id").nullable(),
		i16("acks"),
		i32("timeout_ms"),
		array("topics", of[kmsg.ProduceRequestTopic](
			str("name"),
			array("partitions", of[kmsg.ProduceRequestTopicPartition](
				i32("index"),
				blob("records").nullable(),
			)),
		)),
	),
	KeyFetch: of[kmsg.FetchRequest](
		i32("replica_id").to(14),
		i32("max_wait_ms"),
		i32("min_bytes"),
		i32("max_bytes"),
		i8("isolation_level"),
		i32("session_id").from(7),
		i32("session_epoch").from(7),
		array("topics", of[kmsg.FetchRequestTopic](
			str("topic").to(12),
			uuid("topic_id").from(13),
			array("partitions", of[kmsg.FetchRequestTopicPartition](
				i32("partition"),
				i32("current_leader_epoch").from(9),
				i64("fetch_offset"),
				i32("last_fetched_epoch").from(12),
				i64("log_start_offset").from(5),
				i32("partition_max_bytes"),
				uuid("replica_directory_id").tagAs(0),
				i64("high_watermark").tagAs(1),
			)),
		)),
		array("forgotten_topics_data", of[kmsg.FetchRequestForgottenTopic](
			str("topic").to(12),
			uuid("topic_id").from(13),
			i32s("partitions"),
		)).from(7),
		str("rack_id").from(11),
		str("cluster_id").nullable().tagAs(0),
		inline("replica_state", of[kmsg.FetchRequestReplicaState](
			i32("replica_id"),
			i64("replica_epoch"),
		)).tagAs(1),
	),
	KeyListOffsets: of[kmsg.ListOffsetsRequest](
		i32("replica_id"),
		i8("isolation_level").from(2),
		array("topics", of[kmsg.ListOffsetsRequestTopic](
			str("name"),
			array("partitions", of[kmsg.ListOffsetsRequestTopicPartition](
				i32("partition_index"),
				i32("current_leader_epoch").from(4),
				i64("timestamp"),
			)),
		)),
		i32("timeout_ms").from(10),
	),
	KeyMetadata: of[kmsg.MetadataRequest](
		array("topics", of[kmsg.MetadataRequestTopic](
			uuid("topic_id").from(10),
			str("name").nullableFrom(10),
		)).nullableFrom(1),
		i8("allow_auto_topic_creation").from(4),
		i8("include_cluster_authorized_operations").from(8).to(10),
		i8("include_topic_authorized_operations").from(8),
	),
	KeyOffsetCommit: of[kmsg.OffsetCommitRequest](
		str("group_id"),
		i32("generation_id_or_member_epoch"),
		str("member_id"),
		str("group_instance_id").nullable().from(7),
		i64("retention_time_ms").to(4),
		array("topics", of[kmsg.OffsetCommitRequestTopic](
			str("name"),
			array("partitions", of[kmsg.OffsetCommitRequestTopicPartition](
				i32("partition_index"),
				i64("committed_offset"),
				i32("committed_leader_epoch").from(6),
				str("committed_metadata").nullable(),
			)),
		)),
	),
	KeyOffsetFetch: of[kmsg.OffsetFetchRequest](
		str("group_id").to(7),
		array("topics", of[kmsg.OffsetFetchRequestTopic](
			str("name"),
			i32s("partition_indexes"),
		)).nullableFrom(2).to(7),
		array("groups", of[kmsg.OffsetFetchRequestGroup](
			str("group_id"),
			str("member_id").nullable().from(9),
			i32("member_epoch").from(9),
			array("topics", of[kmsg.OffsetFetchRequestGroupTopic](
				str("name"),
				i32s("partition_indexes"),
			)).nullable(),
		)).from(8),
		i8("require_stable").from(7),
	),
	KeyFindCoordinator: of[kmsg.FindCoordinatorRequest](
		str("key").to(3),
		i8("key_type").from(1),
		strs("coordinator_keys").from(4),
	),
	KeyJoinGroup: of[kmsg.JoinGroupRequest](
		str("group_id"),
		i32("session_timeout_ms"),
		i32("rebalance_timeout_ms").from(1),
		str("member_id"),
		str("group_instance_id").nullable().from(5),
		str("protocol_type"),
		array("protocols", of[kmsg.JoinGroupRequestProtocol](
			str("name"),
			blob("metadata"),
		)),
		str("reason").nullable().from(8),
	),
	KeyHeartbeat: of[kmsg.HeartbeatRequest](
		str("group_id"),
		i32("generation_id"),
		str("member_id"),
		str("group_instance_id").nullable().from(3),
	),
	KeyLeaveGroup: of[kmsg.LeaveGroupRequest](
		str("group_id"),
		str("member_id").to(2),
		array("members", of[kmsg.LeaveGroupRequestMember](
			str("member_id"),
			str("group_instance_id").nullable(),
			str("reason").nullable().from(5),
		)).from(3),
	),
	KeySyncGroup: of[kmsg.SyncGroupRequest](
		str("group_id"),
		i32("generation_id"),
		str("member_id"),
		str("group_instance_id").nullable().from(3),
		str("protocol_type").nullable().from(5),
		str("protocol_name").nullable().from(5),
		array("assignments", of[kmsg.SyncGroupRequestGroupAssignment](
			str("member_id"),
			blob("assignment"),
		)),
	),
	KeyDescribeGroups: of[kmsg.DescribeGroupsRequest](
		strs("groups"),
		i8("include_authorized_operations").from(3),
	),
	KeyListGroups: of[kmsg.ListGroupsRequest](
		strs("states_filter").from(4),
		strs("types_filter").from(5),
	),
	KeyApiVersions: of[kmsg.ApiVersionsRequest](
		str("client_software_name").from(3),
		str("client_software_version").from(3),
	),
	KeyCreateTopics: of[kmsg.CreateTopicsRequest](
		array("topics", of[kmsg.CreateTopicsRequestTopic](
			str("name"),
			i32("num_partitions"),
			i16("replication_factor"),
			array("assignments", of[kmsg.CreateTopicsRequestTopicReplicaAssignment](
				i32("partition_index"),
				i32s("broker_ids"),
			)),
			array("configs", of[kmsg.CreateTopicsRequestTopicConfig](
				str("name"),
				str("value").nullable(),
			)),
		)),
		i32("timeout_ms"),
		i8("validate_only"),
	),
	KeyDeleteTopics: of[kmsg.DeleteTopicsRequest](
		strs("topic_names").to(5),
		array("topics", of[kmsg.DeleteTopicsRequestTopic](
			str("name").nullable(),
			uuid("topic_id"),
		)).from(6),
		i32("timeout_ms"),
	),
	KeyDeleteRecords: of[kmsg.DeleteRecordsRequest](
		array("topics", of[kmsg.DeleteRecordsRequestTopic](
			str("name"),
			array("partitions", of[kmsg.DeleteRecordsRequestTopicPartition](
				i32("partition_index"),
				i64("offset"),
			)),
		)),
		i32("timeout_ms"),
	),
	KeyInitProducerId: of[kmsg.InitProducerIDRequest](
		str("transactional_id").nullable(),
		i32("transaction_timeout_ms"),
		i64("producer_id").from(3),
		i16("producer_epoch").from(3),
	),
	KeyOffsetForLeaderEpoch: of[kmsg.OffsetForLeaderEpochRequest](
		i32("replica_id").from(3),
		array("topics", of[kmsg.OffsetForLeaderEpochRequestTopic](
			str("topic"),
			array("partitions", of[kmsg.OffsetForLeaderEpochRequestTopicPartition](
				i32("partition"),
				i32("current_leader_epoch"),
				i32("leader_epoch"),
			)),
		)),
	),
	KeyAddPartitionsToTxn: of[kmsg.AddPartitionsToTxnRequest](
		str("transactional_id").to(3),
		i64("producer_id").to(3),
		i16("producer_epoch").to(3),
		array("topics", of[kmsg.AddPartitionsToTxnRequestTopic](
			str("name"),
			i32s("partitions"),
		)).to(3),
		array("transactions", of[kmsg.AddPartitionsToTxnRequestTransaction](
			str("transactional_id"),
			i64("producer_id"),
			i16("producer_epoch"),
			i8("verify_only"),
			array("topics", of[kmsg.AddPartitionsToTxnRequestTransactionTopic](
				str("name"),
				i32s("partitions"),
			)),
		)).from(4),
	),
	KeyAddOffsetsToTxn: of[kmsg.AddOffsetsToTxnRequest](
		str("transactional_id"),
		i64("producer_id"),
		i16("producer_epoch"),
		str("group_id"),
	),
	KeyEndTxn: of[kmsg.EndTxnRequest](
		str("transactional_id"),
		i64("producer_id"),
		i16("producer_epoch"),
		i8("committed"),
	),
	KeyWriteTxnMarkers: of[kmsg.WriteTxnMarkersRequest](
		array("markers", of[kmsg.WriteTxnMarkersRequestMarker](
			i64("producer_id"),
			i16("producer_epoch"),
			i8("transaction_result"),
			array("topics", of[kmsg.WriteTxnMarkersRequestMarkerTopic](
				str("name"),
				i32s("partition_indexes"),
			)),
			i32("coordinator_epoch"),
			i8("transaction_version").from(2),
		)),
	),
	KeyTxnOffsetCommit: of[kmsg.TxnOffsetCommitRequest](
		str("transactional_id"),
		str("group_id"),
		i64("producer_id"),
		i16("producer_epoch"),
		i32("generation_id").from(3),
		str("member_id").from(3),
		str("group_instance_id").nullable().from(3),
		array("topics", of[kmsg.TxnOffsetCommitRequestTopic](
			str("name"),
			array("partitions", of[kmsg.TxnOffsetCommitRequestTopicPartition](
				i32("partition_index"),
				i64("committed_offset"),
				i32("committed_leader_epoch").from(2),
				str("committed_metadata").nullable(),
			)),
		)),
	),
	KeyDescribeTransactions: of[kmsg.DescribeTransactionsRequest](
		strs("transactional_ids"),
	),
	KeyListTransactions: of[kmsg.ListTransactionsRequest](
		strs("state_filters"),
		plain[int64]("producer_id_filters", i64("element")),
		i64("duration_filter").from(1),
		str("transactional_id_pattern").nullable().from(2),
	),
	KeyDescribeAcls: of[kmsg.DescribeACLsRequest](
		i8("resource_type_filter"),
		str("resource_name_filter").nullable(),
		i8("pattern_type_filter").from(1),
		str("principal_filter").nullable(),
		str("host_filter").nullable(),
		i8("operation"),
		i8("permission_type"),
	),
	KeyCreateAcls: of[kmsg.CreateACLsRequest](
		array("creations", of[kmsg.CreateACLsRequestCreation](
			i8("resource_type"),
			str("resource_name"),
			i8("resource_pattern_type").from(1),
			str("principal"),
			str("host"),
			i8("operation"),
			i8("permission_type"),
		)),
	),
	KeyDeleteAcls: of[kmsg.DeleteACLsRequest](
		array("filters", of[kmsg.DeleteACLsRequestFilter](
			i8("resource_type_filter"),
			str("resource_name_filter").nullable(),
			i8("pattern_type_filter").from(1),
			str("principal_filter").nullable(),
			str("host_filter").nullable(),
			i8("operation"),
			i8("permission_type"),
		)),
	),
	KeyDescribeConfigs: of[kmsg.DescribeConfigsRequest](
		array("resources", of[kmsg.DescribeConfigsRequestResource](
			i8("resource_type"),
			str("resource_name"),
			strs("configuration_keys").nullable(),
		)),
		i8("include_synonyms"),
		i8("include_documentation").from(3),
	),
	KeyAlterConfigs: of[kmsg.AlterConfigsRequest](
		array("resources", of[kmsg.AlterConfigsRequestResource](
			i8("resource_type"),
			str("resource_name"),
			array("configs", of[kmsg.AlterConfigsRequestResourceConfig](
				str("name"),
				str("value").nullable(),
			)),
		)),
		i8("validate_only"),
	),
	KeyAlterReplicaLogDirs: of[kmsg.AlterReplicaLogDirsRequest](
		array("dirs", of[kmsg.AlterReplicaLogDirsRequestDir](
			str("path"),
			array("topics", of[kmsg.AlterReplicaLogDirsRequestDirTopic](
				str("name"),
				i32s("partitions"),
			)),
		)),
	),
	KeyDescribeLogDirs: of[kmsg.DescribeLogDirsRequest](
		array("topics", of[kmsg.DescribeLogDirsRequestTopic](
			str("topic"),
			i32s("partitions"),
		)).nullable(),
	),
	KeyCreatePartitions: of[kmsg.CreatePartitionsRequest](
		array("topics", of[kmsg.CreatePartitionsRequestTopic](
			str("name"),
			i32("count"),
			array("assignments", of[kmsg.CreatePartitionsRequestTopicAssignment](
				i32s("broker_ids"),
			)).nullable(),
		)),
		i32("timeout_ms"),
		i8("validate_only"),
	),
	KeyDeleteGroups: of[kmsg.DeleteGroupsRequest](
		strs("groups_names"),
	),
	KeyDescribeClientQuotas: of[kmsg.DescribeClientQuotasRequest](
		array("components", of[kmsg.DescribeClientQuotasRequestComponent](
			str("entity_type"),
			i8("match_type"),
			str("match").nullable(),
		)),
		i8("strict"),
	),
	KeyAlterClientQuotas: of[kmsg.AlterClientQuotasRequest](
		array("entries", of[kmsg.AlterClientQuotasRequestEntry](
			array("entity", of[kmsg.AlterClientQuotasRequestEntryEntity](
				str("entity_type"),
				str("entity_name").nullable(),
			)),
			array("ops", of[kmsg.AlterClientQuotasRequestEntryOp](
				str("key"),
				f64("value"),
				i8("remove"),
			)),
		)),
		i8("validate_only"),
	),
	KeyDescribeQuorum: of[kmsg.DescribeQuorumRequest](
		array("topics", of[kmsg.DescribeQuorumRequestTopic](
			str("topic_name"),
			array("partitions", of[kmsg.DescribeQuorumRequestTopicPartition](
				i32("partition_index"),
			)),
		)),
	),
	KeyUpdateFeatures: of[kmsg.UpdateFeaturesRequest](
		i32("timeout_ms"),
		array("feature_updates", of[kmsg.UpdateFeaturesRequestFeatureUpdate](
			str("feature"),
			i16("max_version_level"),
			i8("allow_downgrade").to(0),
			i8("upgrade_type").from(1),
		)),
		i8("validate_only").from(1),
	),
	KeyUnregisterBroker: of[kmsg.UnregisterBrokerRequest](
		i32("broker_id"),
	),
	KeyAddRaftVoter: of[kmsg.AddRaftVoterRequest](
		str("cluster_id").nullable(),
		i32("timeout_ms"),
		i32("voter_id"),
		uuid("voter_directory_id"),
		array("listeners", of[kmsg.AddRaftVoterRequestListener](
			str("name"),
			str("host"),
			i16("port"),
		)),
		i8("ack_when_committed").from(1),
	),
	KeyRemoveRaftVoter: of[kmsg.RemoveRaftVoterRequest](
		str("cluster_id").nullable(),
		i32("voter_id"),
		uuid("voter_directory_id"),
	),
	KeyElectLeaders: of[kmsg.ElectLeadersRequest](
		i8("election_type").from(1),
		array("topic_partitions", of[kmsg.ElectLeadersRequestTopic](
			str("topic"),
			i32s("partitions"),
		)).nullable(),
		i32("timeout_ms"),
	),
	KeyAlterReassignments: of[kmsg.AlterPartitionAssignmentsRequest](
		i32("timeout_ms"),
		array("topics", of[kmsg.AlterPartitionAssignmentsRequestTopic](
			str("name"),
			array("partitions", of[kmsg.AlterPartitionAssignmentsRequestTopicPartition](
				i32("partition_index"),
				i32s("replicas").nullable(),
			)),
		)),
	),
	KeyListReassignments: of[kmsg.ListPartitionReassignmentsRequest](
		i32("timeout_ms"),
		array("topics", of[kmsg.ListPartitionReassignmentsRequestTopic](
			str("name"),
			i32s("partition_indexes"),
		)).nullable(),
	),
	KeyIncrementalAlterConfigs: of[kmsg.IncrementalAlterConfigsRequest](
		array("resources", of[kmsg.IncrementalAlterConfigsRequestResource](
			i8("resource_type"),
			str("resource_name"),
			array("configs", of[kmsg.IncrementalAlterConfigsRequestResourceConfig](
				str("name"),
				i8("config_operation"),
				str("value").nullable(),
			)),
		)),
		i8("validate_only"),
	),
	KeyOffsetDelete: of[kmsg.OffsetDeleteRequest](
		str("group_id"),
		array("topics", of[kmsg.OffsetDeleteRequestTopic](
			str("name"),
			array("partitions", of[kmsg.OffsetDeleteRequestTopicPartition](
				i32("partition_index"),
			)),
		)),
	),
	KeyDescribeCluster: of[kmsg.DescribeClusterRequest](
		i8("include_cluster_authorized_operations"),
		i8("endpoint_type").from(1),
		i8("include_fenced_brokers").from(2),
	),
	KeyDescribeProducers: of[kmsg.DescribeProducersRequest](
		array("topics", of[kmsg.DescribeProducersRequestTopic](
			str("name"),
			i32s("partition_indexes"),
		)),
	),
	KeyConsumerGroupHeartbeat: of[kmsg.ConsumerGroupHeartbeatRequest](
		str("group_id"),
		str("member_id"),
		i32("member_epoch"),
		str("instance_id").nullable(),
		str("rack_id").nullable(),
		i32("rebalance_timeout_ms"),
		strs("subscribed_topic_names").nullable(),
		str("subscribed_topic_regex").nullable().from(1),
		str("server_assignor").nullable(),
		array("topic_partitions", of[kmsg.ConsumerGroupHeartbeatRequestTopic](
			uuid("topic_id"),
			i32s("partitions"),
		)).nullable(),
	),
	KeyConsumerGroupDescribe: of[kmsg.ConsumerGroupDescribeRequest](
		strs("group_ids"),
		i8("include_authorized_operations"),
	),
	KeyListConfigResources: of[kmsg.ListConfigResourcesRequest](
		plain[int8]("resource_types", i8("element")).from(1),
	),
	KeyDescribeTopicPartitions: of[kmsg.DescribeTopicPartitionsRequest](
		array("topics", of[kmsg.DescribeTopicPartitionsRequestTopic](
			str("name"),
		)),
		i32("response_partition_limit"),
		single("cursor", of[kmsg.DescribeTopicPartitionsRequestCursor](
			str("topic_name"),
			i32("partition_index"),
		)),
	),
	KeySaslHandshake: of[kmsg.SASLHandshakeRequest](
		str("mechanism"),
	),
	KeySaslAuthenticate: of[kmsg.SASLAuthenticateRequest](
		blob("auth_bytes"),
	),
	KeyDescribeUserScram: of[kmsg.DescribeUserSCRAMCredentialsRequest](
		array("users", of[kmsg.DescribeUserSCRAMCredentialsRequestUser](
			str("name"),
		)).nullable(),
	),
	KeyAlterUserScram: of[kmsg.AlterUserSCRAMCredentialsRequest](
		array("deletions", of[kmsg.AlterUserSCRAMCredentialsRequestDeletion](
			str("name"),
			i8("mechanism"),
		)),
		array("upsertions", of[kmsg.AlterUserSCRAMCredentialsRequestUpsertion](
			str("name"),
			i8("mechanism"),
			i32("iterations"),
			blob("salt"),
			blob("salted_password"),
		)),
	),
}
