package replication

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/replica"
)

// codes are the errors of the replication protocol as Kafka's codes, both
// ways. Brokers say no others to each other about a partition that matter to
// the follower; any other code means "ask again later".
var codes = [...]struct {
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

// codeOf is what a leader answers a follower, if the protocol has a code for it.
func codeOf(err error) (code int16, ok bool) {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code.Code, true
		}
	}
	return 0, false
}

// errorOf is what a leader's code means to a follower.
func errorOf(code int16) error {
	for _, c := range codes {
		if c.code.Code == code {
			return c.err
		}
	}
	return kerr.ErrorForCode(code)
}
