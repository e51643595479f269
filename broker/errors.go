package broker

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// codes maps what the parts say to what Kafka's clients understand. The first
// match counts.
var codes = []struct {
	err  error
	code *kerr.Error
}{
	{replica.ErrNotLeader, kerr.NotLeaderForPartition},
	{replica.ErrStorage, kerr.KafkaStorageError},
	{replica.ErrCommittedLost, kerr.KafkaStorageError},
	{replica.ErrNotEnoughReplicas, kerr.NotEnoughReplicas},
	{replica.ErrTimeout, kerr.RequestTimedOut},
	{replica.ErrOffsetNotAvailable, kerr.OffsetNotAvailable},
	{replica.ErrFencedEpoch, kerr.FencedLeaderEpoch},
	{replica.ErrUnknownEpoch, kerr.UnknownLeaderEpoch},
	{replica.ErrNotReplica, kerr.ReplicaNotAvailable},
	{replica.ErrOutOfOrderSequence, kerr.OutOfOrderSequenceNumber},
	{replica.ErrProducerFenced, kerr.InvalidProducerEpoch},
	{replica.ErrInvalidTxnState, kerr.InvalidTxnState},
	{replica.ErrCoordinatorFenced, kerr.TransactionCoordinatorFenced},
	{replica.ErrOffsetOutOfRange, kerr.OffsetOutOfRange},
	{segment.ErrOffsetOutOfRange, kerr.OffsetOutOfRange},
	{segment.ErrClosed, kerr.NotLeaderForPartition},
	{refusal.ErrTopicExists, kerr.TopicAlreadyExists},
	{refusal.ErrUnknownTopic, kerr.UnknownTopicOrPartition},
	{refusal.ErrUnknownPartition, kerr.UnknownTopicOrPartition},
	{refusal.ErrInvalidTopicName, kerr.InvalidTopicException},
	{refusal.ErrInvalidPartitions, kerr.InvalidPartitions},
	{refusal.ErrInvalidReplicationFactor, kerr.InvalidReplicationFactor},
	{refusal.ErrInvalidReplicaAssignment, kerr.InvalidReplicaAssignment},
	{refusal.ErrInvalidConfig, kerr.InvalidConfig},
	{refusal.ErrInvalidRequest, kerr.InvalidRequest},
	{refusal.ErrTooLarge, kerr.PolicyViolation},
	{refusal.ErrUnknownUser, kerr.ResourceNotFound},
	{refusal.ErrUnknownBroker, kerr.BrokerIDNotRegistered},
	{refusal.ErrElectionNotNeeded, kerr.ElectionNotNeeded},
	{refusal.ErrPreferredNotAvailable, kerr.PreferredLeaderNotAvailable},
	{refusal.ErrNoEligibleLeader, kerr.EligibleLeadersNotAvailable},
	{refusal.ErrNoReassignment, kerr.NoReassignmentInProgress},
	{store.ErrFull, kerr.PolicyViolation},
	{store.ErrUnavailable, kerr.RequestTimedOut},
	{group.ErrInvalidGroupID, kerr.InvalidGroupID},
	{group.ErrInvalidSession, kerr.InvalidSessionTimeout},
	{group.ErrUnknownMember, kerr.UnknownMemberID},
	{group.ErrMemberIDRequired, kerr.MemberIDRequired},
	{group.ErrFencedInstance, kerr.FencedInstanceID},
	{group.ErrIllegalGeneration, kerr.IllegalGeneration},
	{group.ErrRebalanceInProgress, kerr.RebalanceInProgress},
	{group.ErrInconsistentProtocol, kerr.InconsistentGroupProtocol},
	{group.ErrGroupFull, kerr.GroupMaxSizeReached},
	{group.ErrTooManyGroups, kerr.CoordinatorNotAvailable},
	{group.ErrGroupNotFound, kerr.GroupIDNotFound},
	{group.ErrNonEmptyGroup, kerr.NonEmptyGroup},
	{group.ErrSubscribed, kerr.GroupSubscribedToTopic},
	{group.ErrMetadataTooLarge, kerr.OffsetMetadataTooLarge},
	{group.ErrInvalidRequest, kerr.InvalidRequest},
	{group.ErrFencedEpoch, kerr.FencedMemberEpoch},
	{group.ErrStaleEpoch, kerr.StaleMemberEpoch},
	{group.ErrUnreleasedInstance, kerr.UnreleasedInstanceID},
	{group.ErrUnsupportedAssignor, kerr.UnsupportedAssignor},
	{group.ErrInvalidPattern, kerr.InvalidRegularExpression},
	{group.ErrOldCommit, kerr.UnsupportedVersion},
	{txn.ErrInvalidRequest, kerr.InvalidRequest},
	{txn.ErrInvalidTimeout, kerr.InvalidTransactionTimeout},
	{txn.ErrConcurrent, kerr.ConcurrentTransactions},
	{txn.ErrFenced, kerr.ProducerFenced},
	{txn.ErrMapping, kerr.InvalidProducerIDMapping},
	{txn.ErrInvalidState, kerr.InvalidTxnState},
	{txn.ErrAbortable, kerr.TransactionAbortable},
	{txn.ErrNotFound, kerr.TransactionalIDNotFound},
	{txn.ErrTooMany, kerr.CoordinatorNotAvailable},
	{txn.ErrNoProducerIDs, kerr.CoordinatorNotAvailable},
	{fetching.ErrSessionNotFound, kerr.FetchSessionIDNotFound},
	{fetching.ErrSessionEpoch, kerr.InvalidFetchSessionEpoch},
	{fetching.ErrSessionTopicIDs, kerr.FetchSessionTopicIDError},
	{context.DeadlineExceeded, kerr.RequestTimedOut},
	{context.Canceled, kerr.RequestTimedOut},
}

// codeOf is Kafka's code for an error of any part; 0 for nil.
func codeOf(err error) int16 {
	if err == nil {
		return 0
	}
	var ke *kerr.Error
	if errors.As(err, &ke) {
		return ke.Code
	}
	var ce *segment.CorruptError
	if errors.As(err, &ce) {
		return kerr.KafkaStorageError.Code
	}
	var re *record.Error
	if errors.As(err, &re) {
		return recordCode(re.Kind)
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code.Code
		}
	}
	var pe *fs.PathError
	var errno syscall.Errno
	if errors.As(err, &pe) || errors.As(err, &errno) {
		return kerr.KafkaStorageError.Code // a disk that refuses; clients are to ask again, or elsewhere
	}
	return kerr.UnknownServerError.Code
}

// recordCode is the code for a batch that is not well-formed.
func recordCode(k record.Kind) int16 {
	switch k {
	case record.TooLarge:
		return kerr.MessageTooLarge.Code
	case record.UnsupportedCodec:
		return kerr.UnsupportedCompressionType.Code
	case record.InvalidTimestamp:
		return kerr.InvalidTimestamp.Code
	case record.UnsupportedFormat:
		return kerr.UnsupportedForMessageFormat.Code
	case record.NoTransaction:
		return kerr.InvalidTxnState.Code
	case record.Corrupt, record.Truncated:
		return kerr.CorruptMessage.Code
	default:
		return kerr.InvalidRecord.Code
	}
}

// refusalCode is the code of a refused lock request: 44 says "read on and try
// again", 87 says "your program is wrong", to clients that show no text.
func refusalCode(r *protocol.Refusal) int16 {
	if r.Kind == protocol.RefusalMalformed {
		return kerr.InvalidRecord.Code
	}
	return kerr.PolicyViolation.Code
}

// textOf is the text for people, where a response has room for one; nil for none.
func textOf(err error) *string {
	if err == nil {
		return nil
	}
	text := err.Error()
	return &text
}
