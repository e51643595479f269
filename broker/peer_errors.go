package broker

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/replica"
)

// peerCodes are the errors of the replication protocol as Kafka's codes, both
// ways. Brokers say no others to each other about a partition that matter to
// the follower; any other code means "ask again later".
var peerCodes = [...]struct {
	err  error
	code *kerr.Error
}{
	{replica.ErrNotLeader, kerr.NotLeaderForPartition},
	{replica.ErrFencedEpoch, kerr.FencedLeaderEpoch},
	{replica.ErrUnknownEpoch, kerr.UnknownLeaderEpoch},
	{replica.ErrNotReplica, kerr.ReplicaNotAvailable},
	{replica.ErrOffsetOutOfRange, kerr.OffsetOutOfRange},
	{replica.ErrStorage, kerr.KafkaStorageError},
}

// peerCode is what a leader answers a follower.
func peerCode(err error) int16 {
	for _, c := range peerCodes {
		if errors.Is(err, c.err) {
			return c.code.Code
		}
	}
	return codeOf(err)
}

// peerError is what a leader's code means to a follower.
func peerError(code int16) error {
	for _, c := range peerCodes {
		if c.code.Code == code {
			return c.err
		}
	}
	return kerr.ErrorForCode(code)
}
