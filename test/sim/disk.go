package sim

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sort"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// disk is the log of one replica on a disk: what was synced survives a crash,
// of what was only written any number of batches from the front may. It is a
// replica.Log.
type disk struct {
	batches       []record.Batch
	before        []protocol.Offset // where the log ended before each
	end           protocol.Offset
	epochs        []epochAt            // that have written; compaction leaves them
	synced        int                  // batches on disk for certain
	replacement   bool                 // it replaces one that was lost, and has not been in sync since
	replacedAt    int64                // the store's revision when it did: earlier broker epochs had another disk
	cleanShutdown protocol.BrokerEpoch // the broker epoch that was shut down cleanly; 0: none was

	ignoresCRC  bool         // planted: what is read is not checked
	checkpoints []checkpoint // oldest first; durable once they are written
}

// epochAt says where a leader epoch begins.
type epochAt struct {
	epoch protocol.LeaderEpoch
	start protocol.Offset
}

// checkpoint is what a fold has saved beside the log.
type checkpoint struct {
	name string
	at   protocol.Offset
	data []byte
}

// addCheckpoint keeps the newest two of a name, as segment.Log does.
func (d *disk) addCheckpoint(name string, at protocol.Offset, data []byte) {
	d.checkpoints = append(d.checkpoints, checkpoint{name, at, slices.Clone(data)})
	n := 0
	for i := len(d.checkpoints) - 1; i >= 0; i-- {
		if d.checkpoints[i].name != name {
			continue
		}
		if n++; n > 2 {
			d.checkpoints = slices.Delete(d.checkpoints, i, i+1)
		}
	}
}

// dropAbove forgets checkpoints of what the log has lost, as segment.Log does.
func (d *disk) dropAbove() {
	d.checkpoints = slices.DeleteFunc(d.checkpoints, func(c checkpoint) bool { return c.at > d.End() })
}

// ReadCheckpoint implements replica.Log.
func (d *disk) ReadCheckpoint(name string, atMost protocol.Offset) (at protocol.Offset, data []byte, ok bool) {
	for _, c := range d.checkpoints {
		if c.name == name && c.at <= atMost && (!ok || c.at >= at) {
			at, data, ok = c.at, c.data, true
		}
	}
	return at, data, ok
}

// Scan implements replica.Log.
func (d *disk) Scan(from, below protocol.Offset, f func(record.Batch) error) error {
	for i := d.at(from); i < len(d.batches) && d.batches[i].BaseOffset() < below; i++ {
		if !d.ignoresCRC && !intact(d.batches[i:i+1]) {
			return errDamaged
		}
		if err := f(d.batches[i]); err != nil {
			return err
		}
	}
	return nil
}

// Expires implements replica.Log.
func (d *disk) Expires(int64, protocol.Offset) (bool, error) { return false, nil }

// Start implements replica.History.
func (d *disk) Start() protocol.Offset { return 0 }

// End implements replica.History. It is behind the last batch, or in a gap that
// was cut.
func (d *disk) End() protocol.Offset { return d.end }

// LatestEpoch implements replica.History.
func (d *disk) LatestEpoch() protocol.LeaderEpoch {
	if len(d.epochs) == 0 {
		return -1
	}
	return d.epochs[len(d.epochs)-1].epoch
}

// EpochEnd implements replica.History.
func (d *disk) EpochEnd(asked protocol.LeaderEpoch) (protocol.LeaderEpoch, protocol.Offset) {
	i := sort.Search(len(d.epochs), func(i int) bool { return d.epochs[i].epoch > asked })
	switch {
	case asked < 0 || asked > d.LatestEpoch():
		return -1, -1
	case i == len(d.epochs):
		return asked, d.end
	case i == 0:
		return asked, d.epochs[0].start
	}
	return d.epochs[i-1].epoch, d.epochs[i].start
}

func (d *disk) append(b record.Batch) {
	if b.LeaderEpoch() > d.LatestEpoch() {
		start := d.end
		if len(d.epochs) == 0 {
			start = b.BaseOffset()
		}
		d.epochs = append(d.epochs, epochAt{b.LeaderEpoch(), start})
	}
	d.batches, d.before = append(d.batches, b), append(d.before, d.end)
	d.end = b.NextOffset()
}

// cut makes the log end with the batch before one, at an offset.
func (d *disk) cut(i int, end protocol.Offset) {
	d.batches, d.before, d.end = d.batches[:i], d.before[:i], end
	d.synced = len(d.batches)
	d.epochs = slices.DeleteFunc(d.epochs, func(e epochAt) bool { return e.start >= end })
}

// at is the place of the batch that holds an offset, or of the next one.
func (d *disk) at(o protocol.Offset) int {
	return sort.Search(len(d.batches), func(i int) bool { return d.batches[i].NextOffset() > o })
}

// read is the batches from an offset on that end at or below another one.
func (d *disk) read(from, below protocol.Offset, most int) []record.Batch {
	i := d.at(from)
	j := i
	for j < len(d.batches) && j-i < most && d.batches[j].NextOffset() <= below {
		j++
	}
	return slices.Clone(d.batches[i:j])
}

// intact reads as a reader should: it checks every batch.
func intact(batches []record.Batch) bool {
	for _, b := range batches {
		if _, _, err := record.View(b.Bytes()); err != nil {
			return false
		}
	}
	return true
}

// truncate is durable, as segment.Log's is.
func (d *disk) truncate(to protocol.Offset) {
	if to >= d.end {
		return
	}
	i := d.at(to)
	if i < len(d.batches) {
		to = min(to, d.batches[i].BaseOffset())
	}
	d.cut(i, to)
	d.dropAbove()
}

func (d *disk) syncedEnd() protocol.Offset {
	if d.synced == 0 {
		return 0
	}
	return d.batches[d.synced-1].NextOffset()
}

// crash loses the unsynced batches but the first keep of them. Recovery syncs
// what it finds.
func (d *disk) crash(keep int) {
	n, end := d.synced+keep, d.end
	if n < len(d.batches) {
		end = d.before[n]
	}
	d.cut(n, end)
}

// flip damages one synced batch, for good. The other replicas have bytes of their own.
func (d *disk) flip(i, bit int) {
	own, _, err := record.View(slices.Clone(d.batches[i].Bytes()))
	if err != nil {
		return // it is damaged already
	}
	body := own.Bytes()[record.HeaderSize:]
	if len(body) == 0 {
		return // it holds no record
	}
	body[bit/8%len(body)] ^= 1 << (bit % 8)
	d.batches[i] = own
}

// reseal makes the checksum right, whatever the bytes are.
func reseal(b []byte) {
	const atCRC, atSummed = 17, 21
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atSummed:], crc32.MakeTable(crc32.Castagnoli)))
}
