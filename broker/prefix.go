package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
)

// A damaged log that nobody else holds is read up to its first gap, see
// partitions.Partition.Prefix.
//
// The end is no end: what was acknowledged behind it is missing. A reader that asks
// for it is told that the storage has failed, so that it waits, and does not reset
// its offset; nor is it told where the last leader epoch ended.

// prefixOffset is offsetFor such a log.
func prefixOffset(p *partitions.Partition, timestamp int64, bound fetching.Bound) (foundOffset, error) {
	log := p.Prefix
	end := prefixLog{log, p.Transactions}.Below(bound)
	switch timestamp {
	case timeLatest:
		return foundOffset{offset: end, timestamp: -1, epoch: log.LatestEpoch()}, nil
	case timeEarliest, timeEarliestLocal:
		return foundOffset{offset: log.Start(), timestamp: -1, epoch: log.EpochAt(log.Start())}, nil
	case timeLatestTiered:
		return nowhere, nil
	}
	look := log.MaxTimestamp
	if timestamp >= 0 {
		look = func() (protocol.Offset, int64, protocol.LeaderEpoch, bool, error) {
			return log.OffsetForTime(timestamp)
		}
	}
	offset, at, epoch, ok, err := look()
	if err != nil || !ok || offset >= end {
		return nowhere, err
	}
	return foundOffset{offset: offset, timestamp: at, epoch: epoch}, nil
}

// prefixEpochEnd answers where an epoch ended, if that is before the gap.
func prefixEpochEnd(p *partitions.Partition, asked protocol.LeaderEpoch, out *kmsg.OffsetForLeaderEpochResponseTopicPartition) {
	epoch, end := p.Prefix.EpochEnd(asked)
	if epoch < 0 || end == p.Prefix.End() {
		out.ErrorCode = kerr.KafkaStorageError.Code
		return
	}
	out.LeaderEpoch, out.EndOffset = int32(epoch), int64(end)
}
