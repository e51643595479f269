package protocol

import (
	"encoding/binary"
	"fmt"
)

// TagLeaderEpoch is a tagged field of one partition, of Produce from version 9
// on. Kafka's Produce knows no leader epochs; this gives it what its Fetch has.
//
// In the request its value is the leader epoch that the producer goes by, an
// int32: a broker that knows a newer one answers FENCED_LEADER_EPOCH, one that
// does not know it yet UNKNOWN_LEADER_EPOCH, and neither writes anything. In the
// response, to a request that had it, it is the epoch in which the batch was
// written, which may be an earlier one than that of the request.
const TagLeaderEpoch = 10103

const leaderEpochBytes = 4

// AppendLeaderEpoch appends the tag's value.
func AppendLeaderEpoch(dst []byte, epoch LeaderEpoch) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(epoch))
}

// ReadLeaderEpoch reads the tag's value.
func ReadLeaderEpoch(value []byte) (LeaderEpoch, error) {
	if len(value) != leaderEpochBytes {
		return -1, fmt.Errorf("tag %d of a partition has %d bytes; a leader epoch has %d",
			TagLeaderEpoch, len(value), leaderEpochBytes)
	}
	return LeaderEpoch(binary.BigEndian.Uint32(value)), nil
}
