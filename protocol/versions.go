package protocol

import (
	"math"
	"slices"
)

// The API keys that are served.
const (
	KeyProduce                 int16 = 0
	KeyFetch                   int16 = 1
	KeyListOffsets             int16 = 2
	KeyMetadata                int16 = 3
	KeyOffsetCommit            int16 = 8
	KeyOffsetFetch             int16 = 9
	KeyFindCoordinator         int16 = 10
	KeyJoinGroup               int16 = 11
	KeyHeartbeat               int16 = 12
	KeyLeaveGroup              int16 = 13
	KeySyncGroup               int16 = 14
	KeyDescribeGroups          int16 = 15
	KeyListGroups              int16 = 16
	KeySaslHandshake           int16 = 17
	KeyApiVersions             int16 = 18
	KeyCreateTopics            int16 = 19
	KeyDeleteTopics            int16 = 20
	KeyDeleteRecords           int16 = 21
	KeyInitProducerId          int16 = 22
	KeyOffsetForLeaderEpoch    int16 = 23
	KeyAddPartitionsToTxn      int16 = 24
	KeyAddOffsetsToTxn         int16 = 25
	KeyEndTxn                  int16 = 26
	KeyWriteTxnMarkers         int16 = 27
	KeyTxnOffsetCommit         int16 = 28
	KeyDescribeAcls            int16 = 29
	KeyCreateAcls              int16 = 30
	KeyDeleteAcls              int16 = 31
	KeyDescribeConfigs         int16 = 32
	KeyAlterConfigs            int16 = 33
	KeyAlterReplicaLogDirs     int16 = 34
	KeyDescribeLogDirs         int16 = 35
	KeySaslAuthenticate        int16 = 36
	KeyCreatePartitions        int16 = 37
	KeyDeleteGroups            int16 = 42
	KeyElectLeaders            int16 = 43
	KeyIncrementalAlterConfigs int16 = 44
	KeyAlterReassignments      int16 = 45
	KeyListReassignments       int16 = 46
	KeyOffsetDelete            int16 = 47
	KeyDescribeUserScram       int16 = 50
	KeyAlterUserScram          int16 = 51
	KeyDescribeClientQuotas    int16 = 48
	KeyAlterClientQuotas       int16 = 49
	KeyDescribeQuorum          int16 = 55
	KeyUpdateFeatures          int16 = 57
	KeyDescribeCluster         int16 = 60
	KeyDescribeProducers       int16 = 61
	KeyUnregisterBroker        int16 = 64
	KeyDescribeTransactions    int16 = 65
	KeyListTransactions        int16 = 66
	KeyConsumerGroupHeartbeat  int16 = 68
	KeyConsumerGroupDescribe   int16 = 69
	KeyListConfigResources     int16 = 74
	KeyDescribeTopicPartitions int16 = 75
	KeyAddRaftVoter            int16 = 80
	KeyRemoveRaftVoter         int16 = 81
)

// API is one row of the versions table.
type API struct {
	Key          int16
	Name         string // Kafka's own
	Min, Max     int16  // as advertised
	ServeMin     int16  // Min <= ServeMin <= Max: below it a version is listed but refused
	FlexibleFrom int16  // the first version with compact fields and tags (KIP-482)
}

// Serves reports whether requests of version v are answered in earnest.
func (a API) Serves(v int16) bool { return a.ServeMin <= v && v <= a.Max }

// Flexible reports whether version v has compact fields and tags.
func (a API) Flexible(v int16) bool { return v >= a.FlexibleFrom }

// apis is the versions block of one Kafka release, 4.0, as a whole: clients
// draw conclusions from the mix, and odd mixes have broken several. Produce
// is listed from 0 because librdkafka otherwise writes compressed batches in a format of long
// ago (KAFKA-18659). ListConfigResources, and version 2 of ListTransactions and WriteTxnMarkers, are
// newer: tools and brokers use them, and no client draws conclusions. Sorted by key.
var apis = [...]API{
	{KeyProduce, "Produce", 0, 12, 3, 9},
	{KeyFetch, "Fetch", 4, 17, 4, 12},
	{KeyListOffsets, "ListOffsets", 1, 10, 1, 6},
	{KeyMetadata, "Metadata", 0, 13, 0, 9},
	{KeyOffsetCommit, "OffsetCommit", 2, 9, 2, 8},
	{KeyOffsetFetch, "OffsetFetch", 1, 9, 1, 6},
	{KeyFindCoordinator, "FindCoordinator", 0, 6, 0, 3},
	{KeyJoinGroup, "JoinGroup", 0, 9, 0, 6},
	{KeyHeartbeat, "Heartbeat", 0, 4, 0, 4},
	{KeyLeaveGroup, "LeaveGroup", 0, 5, 0, 4},
	{KeySyncGroup, "SyncGroup", 0, 5, 0, 4},
	{KeyDescribeGroups, "DescribeGroups", 0, 6, 0, 5},
	{KeyListGroups, "ListGroups", 0, 5, 0, 3},
	{KeySaslHandshake, "SaslHandshake", 0, 1, 0, math.MaxInt16},
	{KeyApiVersions, "ApiVersions", 0, 4, 0, 3},
	{KeyCreateTopics, "CreateTopics", 2, 7, 2, 5},
	{KeyDeleteTopics, "DeleteTopics", 1, 6, 1, 4},
	{KeyDeleteRecords, "DeleteRecords", 0, 2, 0, 2},
	{KeyInitProducerId, "InitProducerId", 0, 5, 0, 2},
	{KeyOffsetForLeaderEpoch, "OffsetForLeaderEpoch", 2, 4, 2, 4},
	{KeyAddPartitionsToTxn, "AddPartitionsToTxn", 0, 5, 0, 3},
	{KeyAddOffsetsToTxn, "AddOffsetsToTxn", 0, 4, 0, 3},
	{KeyEndTxn, "EndTxn", 0, 5, 0, 3},
	{KeyWriteTxnMarkers, "WriteTxnMarkers", 1, 2, 1, 1},
	{KeyTxnOffsetCommit, "TxnOffsetCommit", 0, 5, 0, 3},
	{KeyDescribeAcls, "DescribeAcls", 1, 3, 1, 2},
	{KeyCreateAcls, "CreateAcls", 1, 3, 1, 2},
	{KeyDeleteAcls, "DeleteAcls", 1, 3, 1, 2},
	{KeyDescribeConfigs, "DescribeConfigs", 1, 4, 1, 4},
	{KeyAlterConfigs, "AlterConfigs", 0, 2, 0, 2},
	{KeyAlterReplicaLogDirs, "AlterReplicaLogDirs", 1, 2, 1, 2},
	{KeyDescribeLogDirs, "DescribeLogDirs", 1, 4, 1, 2},
	{KeySaslAuthenticate, "SaslAuthenticate", 0, 2, 0, 2},
	{KeyCreatePartitions, "CreatePartitions", 0, 3, 0, 2},
	{KeyDeleteGroups, "DeleteGroups", 0, 2, 0, 2},
	{KeyElectLeaders, "ElectLeaders", 0, 2, 0, 2},
	{KeyIncrementalAlterConfigs, "IncrementalAlterConfigs", 0, 1, 0, 1},
	{KeyAlterReassignments, "AlterPartitionReassignments", 0, 0, 0, 0},
	{KeyListReassignments, "ListPartitionReassignments", 0, 0, 0, 0},
	{KeyOffsetDelete, "OffsetDelete", 0, 0, 0, math.MaxInt16},
	{KeyDescribeClientQuotas, "DescribeClientQuotas", 0, 1, 0, 1},
	{KeyAlterClientQuotas, "AlterClientQuotas", 0, 1, 0, 1},
	{KeyDescribeUserScram, "DescribeUserScramCredentials", 0, 0, 0, 0},
	{KeyAlterUserScram, "AlterUserScramCredentials", 0, 0, 0, 0},
	{KeyDescribeQuorum, "DescribeQuorum", 0, 2, 0, 0},
	{KeyUpdateFeatures, "UpdateFeatures", 0, 2, 0, 0},
	{KeyDescribeCluster, "DescribeCluster", 0, 2, 0, 0},
	{KeyDescribeProducers, "DescribeProducers", 0, 0, 0, 0},
	{KeyUnregisterBroker, "UnregisterBroker", 0, 0, 0, 0},
	{KeyDescribeTransactions, "DescribeTransactions", 0, 0, 0, 0},
	{KeyListTransactions, "ListTransactions", 0, 2, 0, 0},
	{KeyConsumerGroupHeartbeat, "ConsumerGroupHeartbeat", 0, 1, 0, 0},
	{KeyConsumerGroupDescribe, "ConsumerGroupDescribe", 0, 1, 0, 0},
	{KeyListConfigResources, "ListConfigResources", 0, 1, 0, 0},
	{KeyDescribeTopicPartitions, "DescribeTopicPartitions", 0, 0, 0, 0},
	{KeyAddRaftVoter, "AddRaftVoter", 0, 1, 0, 0},
	{KeyRemoveRaftVoter, "RemoveRaftVoter", 0, 0, 0, 0},
}

// APIs is the table, sorted by key. The slice is the caller's own.
func APIs() []API { return slices.Clone(apis[:]) }

// Lookup finds the row of an API key.
func Lookup(key int16) (API, bool) {
	i, ok := slices.BinarySearchFunc(apis[:], key, func(a API, key int16) int { return int(a.Key) - int(key) })
	if !ok {
		return API{}, false
	}
	return apis[i], true
}
