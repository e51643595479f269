package partitions

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// errLogLost is a log that was here and is not any more. An empty one does not
// take its place while the metadata counts on what it held.
var errLogLost = errors.New("partition log is missing; " +
	"it will be rebuilt from the leader once this replica has left the ISR")

// open opens one partition's log. One that will not open stays closed and says
// why to everyone who asks; the others go on.
func (h *Host) open(t *Topic, ip *image.Partition) *Partition {
	id := protocol.TopicPartition{Topic: t.ID, Index: ip.Index}
	log := h.log.With("topic", t.Name)
	dir := h.Dir(t, ip.Index)
	if lost := h.whyLost(id, ip, dir); lost != nil {
		log.Error("partition stays closed", "partition", ip.Index, "dir", dir, "error", lost)
		return &Partition{Index: ip.Index, Broken: lost, log: log}
	}
	p, err := replica.Open(replica.Options{
		FS: h.o.FS, Dir: dir, ID: id, Self: h.o.NodeID, Host: h.replicas, Base: h.o.Base, Budget: h.o.Budget,
		Settings: h.partitionSettings(t.Settings),
		Limits:   record.Limits{DecompressedBytesMax: h.o.DecompressedBytesMax},
		LagMaxMs: h.o.LagTimeMax.Milliseconds(), NowMs: h.o.NowMs, Logger: log,
		Synced: h.o.Metrics.LogSynced, Full: h.o.Space.Full,
	})
	if err != nil {
		return h.openBroken(ip, dir, log, err)
	}
	return &Partition{Partition: p, Index: ip.Index, log: log, applied: -1}
}

// partitionSettings are what a replica takes from its topic and its broker.
func (h *Host) partitionSettings(t settings.Topic) replica.Settings {
	var retentionMs, retentionBytes protocol.Limit
	if t.Delete {
		retentionMs, retentionBytes = protocol.LimitOf(t.RetentionMs), protocol.LimitOf(t.RetentionBytes)
	}
	segmentMs := t.SegmentMs
	if t.Compact {
		segmentMs = min(segmentMs, t.MaxCompactionLagMs) // what has to be compacted must be closed by then
	}
	return replica.Settings{
		Log: segment.Config{
			SegmentBytes: t.SegmentBytes, SegmentMs: segmentMs,
			IndexIntervalBytes: max(1, int64(t.IndexIntervalBytes)), // 0 and 1 are the same: every batch has an entry
			RetentionMs:        retentionMs, RetentionBytes: retentionBytes, Files: h.o.Files,
		},
		MinInsync:       int(t.MinInsyncReplicas),
		LogAppendTime:   t.TimestampType == settings.LogAppendTime,
		FlushMessages:   t.FlushMessages,
		FlushMs:         t.FlushMs,
		LockRetentionMs: protocol.LimitOf(t.LockRetentionMs),
		LockIDRetention: protocol.LimitOf(t.LockIDRetentionMs),
		ProducerMs:      h.settings.Load().ProducerIDMs,
	}
}

// whyLost is why the log must not be opened, or nil: the metadata counts on what
// it held, and does not have it.
func (h *Host) whyLost(id protocol.TopicPartition, ip *image.Partition, dir string) error {
	switch {
	case !ip.InSync(h.o.NodeID):
		return nil
	case h.repaired.has(id) && !h.alone(ip):
		return errLogRepaired
	case h.logs.has(id) && h.missing(dir):
		return errLogLost
	}
	return nil
}

// alone reports whether nobody else holds the partition.
func (h *Host) alone(ip *image.Partition) bool {
	return len(ip.Replicas) == 1 && ip.Replicas[0] == h.o.NodeID
}

func (h *Host) missing(dir string) bool {
	_, err := h.o.FS.Stat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// openBroken is a partition whose log will not open. Where nobody else has it,
// the batches up to the first gap can be read.
func (h *Host) openBroken(ip *image.Partition, dir string, log *slog.Logger, err error) *Partition {
	p := &Partition{Index: ip.Index, Broken: err, log: log}
	if IsCorrupt(err) && h.alone(ip) {
		p.Prefix, p.Broken = openPrefix(h.o.FS, dir, h.o.Files, err)
	}
	if p.Prefix != nil {
		var unfolded error
		if p.Transactions, unfolded = replica.TransactionsOf(p.Prefix, record.Limits{DecompressedBytesMax: h.o.DecompressedBytesMax}); unfolded != nil {
			_ = p.Prefix.Close() // what is wrong with it is known
			p.Prefix, p.Broken = nil, errors.Join(err, unfolded)
		}
	}
	if p.Prefix != nil {
		log.Error("partition takes no writes, and is read up to the first gap",
			"partition", ip.Index, "end", p.Prefix.End(), "error", p.Broken)
		return p
	}
	log.Error("partition stays closed", "partition", ip.Index, "error", err)
	return p
}

// A log that is damaged takes no writes. Where other brokers hold its partition,
// they serve it. Where nobody does, as on a copy that was made of a running broker,
// the batches up to the first gap are all that there is, and they are read from
// here until somebody decides, by lockstep repair, that the log shall end there.

// openPrefix opens the batches up to the first gap, if there are any, and words
// what is wrong.
func openPrefix(fs vfs.FS, dir string, files *segment.Files, cause error) (*segment.Log, error) {
	log, whole, err := segment.OpenWhole(fs, dir, segment.Config{Files: files}, cause)
	switch {
	case err != nil:
		return nil, cause
	case whole.End == whole.Start:
		_ = log.Close() // what is wrong with it is known
		return nil, cause
	}
	return log, fmt.Errorf("%w; offsets %d to %d can be read, of %d at least; "+
		"once this broker is stopped, lockstep repair makes that the log and puts the rest aside",
		cause, int64(whole.Start), int64(whole.End-1), int64(whole.Known-whole.Start))
}
