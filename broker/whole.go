package broker

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/segment"
)

// A log that is damaged takes no writes. Where other brokers hold its partition,
// they serve it. Where nobody does, as on a copy that was made of a running broker,
// the batches up to the first gap are all that there is, and they are read from
// here until somebody decides, by lockstep repair, that the log shall end there.
//
// The end is no end: what was acknowledged behind it is missing. A reader that asks
// for it is told that the storage has failed, so that it waits, and does not reset
// its offset; nor is it told where the last leader epoch ended.

// openWhole opens what is whole, if anything is, and words what is wrong.
func openWhole(fs vfs.FS, dir string, files *segment.Files, cause error) (*segment.Log, error) {
	log, whole, err := segment.OpenWhole(fs, dir, segment.Config{Files: files}, cause)
	switch {
	case err != nil:
		return nil, cause
	case whole.End == whole.Start:
		_ = log.Close() // what is wrong with it is known
		return nil, cause
	}
	return log, fmt.Errorf("%w; offsets %d to %d can be read, of %d at least; once this broker is stopped, lockstep repair makes that the log and puts the rest aside",
		cause, int64(whole.Start), int64(whole.End-1), int64(whole.Known-whole.Start))
}

// readWhole is gatherPart for such a log.
func (part *fetchedPart) readWhole(p *partition, rp *kmsg.FetchRequestTopicPartition, left int, first bool) error {
	log, from := p.whole, protocol.Offset(rp.FetchOffset)
	part.HighWatermark, part.LogStart = log.End(), log.Start()
	switch {
	case from < part.LogStart:
		return kerr.OffsetOutOfRange
	case from > part.HighWatermark:
		return fmt.Errorf("%w: %w", kerr.KafkaStorageError, p.broken)
	}
	return part.Read(wholeLog{log}, from, part.HighWatermark, max(0, min(left, int(rp.PartitionMaxBytes))), first)
}

// wholeOffset is offsetFor such a log.
func (p *partition) wholeOffset(timestamp int64) (foundOffset, error) {
	log := p.whole
	switch timestamp {
	case timeLatest:
		return foundOffset{offset: log.End(), timestamp: -1, epoch: log.LatestEpoch()}, nil
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
	if err != nil || !ok {
		return nowhere, err
	}
	return foundOffset{offset: offset, timestamp: at, epoch: epoch}, nil
}

// wholeEpochEnd answers where an epoch ended, if that is before the gap.
func (p *partition) wholeEpochEnd(asked protocol.LeaderEpoch, out *kmsg.OffsetForLeaderEpochResponseTopicPartition) {
	epoch, end := p.whole.EpochEnd(asked)
	if epoch < 0 || end == p.whole.End() {
		out.ErrorCode = kerr.KafkaStorageError.Code
		return
	}
	out.LeaderEpoch, out.EndOffset = int32(epoch), int64(end)
}
