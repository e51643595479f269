package sim

import (
	"slices"
	"sort"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// disk is the log of one replica on a disk: what was synced survives a crash,
// of what was only written any number of batches from the front may. It is a
// replica.History.
type disk struct {
	batches []record.Batch
	synced  int   // batches on disk for certain
	fresh   bool  // it replaces one that was lost, and has not been in sync since
	since   int64 // the store's revision when it did: lives of before had another disk
	clean   int64 // the incarnation that was shut down cleanly; 0: none was
}

// Start implements replica.History.
func (d *disk) Start() protocol.Offset { return 0 }

// End implements replica.History.
func (d *disk) End() protocol.Offset {
	if len(d.batches) == 0 {
		return 0
	}
	return d.batches[len(d.batches)-1].NextOffset()
}

// LatestEpoch implements replica.History.
func (d *disk) LatestEpoch() protocol.LeaderEpoch {
	if len(d.batches) == 0 {
		return -1
	}
	return d.batches[len(d.batches)-1].LeaderEpoch()
}

// EpochEnd implements replica.History.
func (d *disk) EpochEnd(asked protocol.LeaderEpoch) (protocol.LeaderEpoch, protocol.Offset) {
	if asked < 0 || asked > d.LatestEpoch() {
		return -1, -1
	}
	i := sort.Search(len(d.batches), func(i int) bool { return d.batches[i].LeaderEpoch() > asked })
	if i == 0 {
		return asked, 0
	}
	return d.batches[i-1].LeaderEpoch(), d.batches[i-1].NextOffset()
}

func (d *disk) append(b record.Batch) { d.batches = append(d.batches, b) }

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
	for len(d.batches) > 0 && d.End() > to {
		d.batches = d.batches[:len(d.batches)-1]
	}
	d.synced = len(d.batches)
}

func (d *disk) syncedEnd() protocol.Offset {
	if d.synced == 0 {
		return 0
	}
	return d.batches[d.synced-1].NextOffset()
}

// crash loses the unsynced batches but the first keep of them.
func (d *disk) crash(keep int) {
	d.batches = d.batches[:d.synced+keep]
	d.synced = len(d.batches) // recovery syncs what it found
}

// flip damages one synced batch, for good. The other replicas have bytes of their own.
func (d *disk) flip(i, bit int) {
	own, _, err := record.View(slices.Clone(d.batches[i].Bytes()))
	if err != nil {
		return // it is damaged already
	}
	body := own.Bytes()[record.HeaderSize:]
	body[bit/8%len(body)] ^= 1 << (bit % 8)
	d.batches[i] = own
}
