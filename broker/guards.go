package broker

import (
	"reflect"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/protocol"
)

// guards is how each API's needs are asked for: which fields of the request name the
// resources, and how its answer says that one is denied. What is needed stands in the
// table of APIs. An API that needs only an operation on the cluster has none here.
var guards = map[int16]guard{
	protocol.KeyProduce:              guardOf(guardProduce),
	protocol.KeyFetch:                guardOf(guardFetch),
	protocol.KeyListOffsets:          guardOf(guardListOffsets),
	protocol.KeyMetadata:             guardOf(guardMetadata),
	protocol.KeyOffsetForLeaderEpoch: guardOf(guardLeaderEpoch),
	protocol.KeyDescribeProducers:    guardOf(guardDescribeProducers),
	protocol.KeyInitProducerId:       guardOf(guardInitProducerID),
	protocol.KeyDeleteRecords:        guardOf(guardDeleteRecords),

	protocol.KeyCreateTopics:            guardOf(guardCreateTopics),
	protocol.KeyDeleteTopics:            guardOf(guardDeleteTopics),
	protocol.KeyCreatePartitions:        guardOf(guardCreatePartitions),
	protocol.KeyDescribeTopicPartitions: guardOf(guardDescribeTopicPartitions),
	protocol.KeyDescribeConfigs:         guardOf(guardDescribeConfigs),
	protocol.KeyAlterConfigs:            guardOf(guardAlterConfigs),
	protocol.KeyIncrementalAlterConfigs: guardOf(guardIncrementalAlterConfigs),
	protocol.KeyAlterReplicaLogDirs:     guardOf(guardAlterReplicaLogDirs),
	protocol.KeyElectLeaders:            guardOf(guardElectLeaders),
	protocol.KeyDescribeCluster:         guardOf(guardDescribeCluster),
	protocol.KeyCreateAcls:              guardOf(guardCreateACLs),
	protocol.KeyDeleteAcls:              guardOf(guardDeleteACLs),
	protocol.KeyAlterClientQuotas:       guardOf(guardAlterClientQuotas),

	protocol.KeyOffsetCommit:           guardOf(guardOffsetCommit),
	protocol.KeyOffsetFetch:            guardOf(guardOffsetFetch),
	protocol.KeyOffsetDelete:           guardOf(guardOffsetDelete),
	protocol.KeyFindCoordinator:        guardOf(guardFindCoordinator),
	protocol.KeyJoinGroup:              guardOf(guardJoinGroup),
	protocol.KeySyncGroup:              guardOf(guardSyncGroup),
	protocol.KeyHeartbeat:              onlyNeedsGroup(func(r *kmsg.HeartbeatRequest) string { return r.Group }),
	protocol.KeyLeaveGroup:             onlyNeedsGroup(func(r *kmsg.LeaveGroupRequest) string { return r.Group }),
	protocol.KeyDescribeGroups:         guardOf(guardDescribeGroups),
	protocol.KeyListGroups:             guardOf(guardListGroups),
	protocol.KeyDeleteGroups:           guardOf(guardDeleteGroups),
	protocol.KeyConsumerGroupHeartbeat: guardOf(guardConsumerGroupHeartbeat),
	protocol.KeyConsumerGroupDescribe:  guardOf(guardConsumerGroupDescribe),
}

// guard is the row's guard. A row that has needs, and nobody who asks for them, lets
// nobody in: a test keeps that from happening.
func (a *api) guard(p *passage, req kmsg.Request) kmsg.Response {
	if g := guards[a.key]; g != nil {
		return g(p, req)
	}
	if a.needsOnlyCluster() {
		return onlyNeedsCluster(p, req)
	}
	return refuses(req, kerr.ClusterAuthorizationFailed)
}

func (a *api) needsOnlyCluster() bool {
	return len(a.needs) == 1 && a.needs[0] == need{a.needs[0].operation, onCluster, scopeRequest, always}
}

// setCode sets a response's own error, where it has one.
func setCode(resp kmsg.Response, code *kerr.Error) {
	v := reflect.ValueOf(resp).Elem()
	if f := v.FieldByName("ErrorCode"); f.IsValid() {
		f.SetInt(int64(code.Code))
	}
	if f := v.FieldByName("ErrorMessage"); f.IsValid() && f.Kind() == reflect.Pointer {
		f.Set(reflect.ValueOf(kmsg.StringPtr(code.Description)))
	}
}

func guardInitProducerID(p *passage, req *kmsg.InitProducerIDRequest) kmsg.Response {
	code := kerr.TransactionalIDAuthorizationFailed
	var ok bool
	if req.TransactionalID != nil {
		ok = p.may(onTransactionalID, *req.TransactionalID, ifTransactional)
	} else {
		ok, code = p.may(onTopic, "", ifIdempotent), kerr.ClusterAuthorizationFailed
	}
	if ok {
		return nil
	}
	resp := respond[*kmsg.InitProducerIDResponse](req)
	resp.ProducerID, resp.ProducerEpoch, resp.ErrorCode = int64(protocol.NoProducer), noProducerEpoch, code.Code
	return resp
}

func guardDescribeCluster(p *passage, req *kmsg.DescribeClusterRequest) kmsg.Response {
	if req.Version >= 1 && req.EndpointType == endpointController && !p.may(onCluster, acl.ClusterName, ifControllers) {
		return refuses(req, kerr.ClusterAuthorizationFailed)
	}
	amend(p, func(resp *kmsg.DescribeClusterResponse) {
		resp.ClusterAuthorizedOperations = p.clusterOperations(resp.ClusterAuthorizedOperations)
	})
	return nil
}

// clusterOperations are those that the principal may do of those that were to be
// told: none, if it may not describe the cluster.
func (p *passage) clusterOperations(told int32) int32 {
	switch {
	case told == operationsNotAsked:
		return told
	case !p.access.Allows(acl.OpDescribe, acl.TypeCluster, acl.ClusterName):
		return 0
	}
	return p.operations(onCluster, acl.ClusterName, told)
}

// topicOperations are those that the principal may do of those that were to be told.
func (p *passage) topicOperations(topic string, told int32) int32 {
	if told == operationsNotAsked {
		return told
	}
	return p.operations(onTopic, topic, told)
}

func guardAlterReplicaLogDirs(p *passage, req *kmsg.AlterReplicaLogDirsRequest) kmsg.Response {
	if p.may(onCluster, acl.ClusterName) {
		return nil
	}
	resp := respond[*kmsg.AlterReplicaLogDirsResponse](req)
	for i := range req.Dirs {
		for _, t := range req.Dirs[i].Topics {
			out := kmsg.AlterReplicaLogDirsResponseTopic{Topic: t.Topic}
			for _, index := range t.Partitions {
				out.Partitions = append(out.Partitions, kmsg.AlterReplicaLogDirsResponseTopicPartition{
					Partition: index, ErrorCode: kerr.ClusterAuthorizationFailed.Code,
				})
			}
			resp.Topics = append(resp.Topics, out)
		}
	}
	return resp
}

func guardElectLeaders(p *passage, req *kmsg.ElectLeadersRequest) kmsg.Response {
	if p.may(onCluster, acl.ClusterName) {
		return nil
	}
	resp := respond[*kmsg.ElectLeadersResponse](req)
	resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
	out := electedTopics{resp: resp, at: map[string]int{}}
	for place := range eachNamed(req) {
		out.add(place.topic, place.index, kerr.ClusterAuthorizationFailed)
	}
	return resp
}

func guardCreateACLs(p *passage, req *kmsg.CreateACLsRequest) kmsg.Response {
	if p.may(onCluster, acl.ClusterName) {
		return nil
	}
	resp := respond[*kmsg.CreateACLsResponse](req)
	for range req.Creations {
		resp.Results = append(resp.Results, kmsg.CreateACLsResponseResult{
			ErrorCode: kerr.ClusterAuthorizationFailed.Code, ErrorMessage: &kerr.ClusterAuthorizationFailed.Description,
		})
	}
	return resp
}

func guardDeleteACLs(p *passage, req *kmsg.DeleteACLsRequest) kmsg.Response {
	if p.may(onCluster, acl.ClusterName) {
		return nil
	}
	resp := respond[*kmsg.DeleteACLsResponse](req)
	for range req.Filters {
		resp.Results = append(resp.Results, kmsg.DeleteACLsResponseResult{
			ErrorCode: kerr.ClusterAuthorizationFailed.Code, ErrorMessage: &kerr.ClusterAuthorizationFailed.Description,
		})
	}
	return resp
}

func guardAlterClientQuotas(p *passage, req *kmsg.AlterClientQuotasRequest) kmsg.Response {
	if p.may(onCluster, acl.ClusterName) {
		return nil
	}
	resp := respond[*kmsg.AlterClientQuotasResponse](req)
	for i := range req.Entries {
		out := kmsg.AlterClientQuotasResponseEntry{
			ErrorCode: kerr.ClusterAuthorizationFailed.Code, ErrorMessage: &kerr.ClusterAuthorizationFailed.Description,
		}
		for _, part := range req.Entries[i].Entity {
			out.Entity = append(out.Entity, kmsg.AlterClientQuotasResponseEntryEntity(part))
		}
		resp.Entries = append(resp.Entries, out)
	}
	return resp
}
