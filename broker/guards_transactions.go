package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/acl"
)

// The guards of transactions and of the users of SCRAM.

func init() {
	guards[int16(kmsg.AddPartitionsToTxn)] = guardOf(guardAddPartitionsToTxn)
	guards[int16(kmsg.AddOffsetsToTxn)] = guardOf(guardAddOffsetsToTxn)
	guards[int16(kmsg.EndTxn)] = guardOf(guardEndTxn)
	guards[int16(kmsg.TxnOffsetCommit)] = guardOf(guardTxnOffsetCommit)
	guards[int16(kmsg.WriteTxnMarkers)] = guardOf(guardWriteTxnMarkers)
	guards[int16(kmsg.DescribeTransactions)] = guardOf(guardDescribeTransactions)
	guards[int16(kmsg.ListTransactions)] = guardOf(guardListTransactions)
	guards[int16(kmsg.AlterUserSCRAMCredentials)] = guardOf(guardAlterUserScram)
}

// batchedTxns is the version of AddPartitionsToTxn that brokers send each other.
const batchedTxns = 4

// guardAddPartitionsToTxn: where a partition is denied nothing of the request is done.
func guardAddPartitionsToTxn(p *passage, req *kmsg.AddPartitionsToTxnRequest) kmsg.Response {
	if req.Version >= batchedTxns {
		if p.allowed(aclClusterAction, onCluster, acl.ClusterName) {
			return nil
		}
		return refuses(req, kerr.ClusterAuthorizationFailed)
	}
	if !p.allowed(aclWrite, onTransactionalID, req.TransactionalID) {
		return notAdded(req, func(string) int16 { return kerr.TransactionalIDAuthorizationFailed.Code })
	}
	denied := map[string]bool{}
	for i := range req.Topics {
		if name := req.Topics[i].Topic; !p.allowed(aclWrite, onTopic, name) {
			denied[name] = true
		}
	}
	if len(denied) == 0 {
		return nil
	}
	return notAdded(req, func(topic string) int16 {
		if denied[topic] {
			return kerr.TopicAuthorizationFailed.Code
		}
		return kerr.OperationNotAttempted.Code
	})
}

func notAdded(req *kmsg.AddPartitionsToTxnRequest, code func(topic string) int16) kmsg.Response {
	resp := respond[*kmsg.AddPartitionsToTxnResponse](req)
	for i := range req.Topics {
		out := kmsg.NewAddPartitionsToTxnResponseTopic()
		out.Topic = req.Topics[i].Topic
		for _, index := range req.Topics[i].Partitions {
			o := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			o.Partition, o.ErrorCode = index, code(out.Topic)
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func guardAddOffsetsToTxn(p *passage, req *kmsg.AddOffsetsToTxnRequest) kmsg.Response {
	switch {
	case !p.allowed(aclWrite, onTransactionalID, req.TransactionalID):
		return refuses(req, kerr.TransactionalIDAuthorizationFailed)
	case !p.allowed(aclRead, onGroup, req.Group):
		return refuses(req, kerr.GroupAuthorizationFailed)
	}
	return nil
}

func guardEndTxn(p *passage, req *kmsg.EndTxnRequest) kmsg.Response {
	if p.allowed(aclWrite, onTransactionalID, req.TransactionalID) {
		return nil
	}
	return refuses(req, kerr.TransactionalIDAuthorizationFailed)
}

func guardTxnOffsetCommit(p *passage, req *kmsg.TxnOffsetCommitRequest) kmsg.Response {
	why := (*kerr.Error)(nil)
	switch {
	case !p.allowed(aclWrite, onTransactionalID, req.TransactionalID):
		why = kerr.TransactionalIDAuthorizationFailed
	case !p.allowed(aclRead, onGroup, req.Group):
		why = kerr.GroupAuthorizationFailed
	}
	if why != nil {
		resp := respond[*kmsg.TxnOffsetCommitResponse](req)
		addTxnUncommitted(resp, req.Topics, why)
		return resp
	}
	denied := take(p, &req.Topics, func(t *kmsg.TxnOffsetCommitRequestTopic) bool { return p.allowed(aclRead, onTopic, t.Topic) })
	amend(p, func(resp *kmsg.TxnOffsetCommitResponse) {
		addTxnUncommitted(resp, denied, kerr.TopicAuthorizationFailed)
	})
	return nil
}

func addTxnUncommitted(resp *kmsg.TxnOffsetCommitResponse, topics []kmsg.TxnOffsetCommitRequestTopic, why *kerr.Error) {
	for i := range topics {
		out := kmsg.NewTxnOffsetCommitResponseTopic()
		out.Topic = topics[i].Topic
		for j := range topics[i].Partitions {
			o := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			o.Partition, o.ErrorCode = topics[i].Partitions[j].Partition, why.Code
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
}

// guardWriteTxnMarkers: markers are the brokers' own, and an operator's who ends a
// transaction that hangs (KIP-664).
func guardWriteTxnMarkers(p *passage, req *kmsg.WriteTxnMarkersRequest) kmsg.Response {
	if p.access.Allows(acl.OpAlter, acl.TypeCluster, acl.ClusterName) || p.allowed(aclClusterAction, onCluster, acl.ClusterName) {
		return nil
	}
	resp := respond[*kmsg.WriteTxnMarkersResponse](req)
	for i := range req.Markers {
		m := &req.Markers[i]
		out := kmsg.NewWriteTxnMarkersResponseMarker()
		out.ProducerID = m.ProducerID
		for _, t := range m.Topics {
			ot := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			ot.Topic = t.Topic
			for _, index := range t.Partitions {
				op := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
				op.Partition, op.ErrorCode = index, kerr.ClusterAuthorizationFailed.Code
				ot.Partitions = append(ot.Partitions, op)
			}
			out.Topics = append(out.Topics, ot)
		}
		resp.Markers = append(resp.Markers, out)
	}
	return resp
}

func guardDescribeTransactions(p *passage, req *kmsg.DescribeTransactionsRequest) kmsg.Response {
	denied := take(p, &req.TransactionalIDs, func(id *string) bool { return p.allowed(aclDescribe, onTransactionalID, *id) })
	amend(p, func(resp *kmsg.DescribeTransactionsResponse) {
		for i := range resp.TransactionStates {
			st := &resp.TransactionStates[i]
			st.Topics = slices.DeleteFunc(st.Topics, func(t kmsg.DescribeTransactionsResponseTransactionStateTopic) bool { return !p.describes(t.Topic) })
		}
		for _, id := range denied {
			out := kmsg.NewDescribeTransactionsResponseTransactionState()
			out.TransactionalID, out.ErrorCode = id, kerr.TransactionalIDAuthorizationFailed.Code
			resp.TransactionStates = append(resp.TransactionStates, out)
		}
	})
	return nil
}

func guardListTransactions(p *passage, _ *kmsg.ListTransactionsRequest) kmsg.Response {
	amend(p, func(resp *kmsg.ListTransactionsResponse) {
		resp.TransactionStates = slices.DeleteFunc(resp.TransactionStates, func(t kmsg.ListTransactionsResponseTransactionState) bool {
			return !p.access.Allows(acl.OpDescribe, acl.TypeTransactionalID, t.TransactionalID)
		})
	})
	return nil
}

func guardAlterUserScram(p *passage, req *kmsg.AlterUserSCRAMCredentialsRequest) kmsg.Response {
	if p.allowed(aclAlter, onCluster, acl.ClusterName) {
		return nil
	}
	resp := respond[*kmsg.AlterUserSCRAMCredentialsResponse](req)
	names := namesOnce(req.Deletions, func(d *kmsg.AlterUserSCRAMCredentialsRequestDeletion) string { return d.Name })
	names = append(names, namesOnce(req.Upsertions, func(u *kmsg.AlterUserSCRAMCredentialsRequestUpsertion) string { return u.Name })...)
	for _, name := range namesOnce(names, func(n *string) string { return *n }) {
		resp.Results = append(resp.Results, kmsg.AlterUserSCRAMCredentialsResponseResult{
			User: name, ErrorCode: kerr.ClusterAuthorizationFailed.Code, ErrorMessage: &kerr.ClusterAuthorizationFailed.Description,
		})
	}
	return resp
}
