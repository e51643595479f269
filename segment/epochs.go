package segment

import (
	"fmt"
	"slices"
	"sort"

	"github.com/lockstep-log/lockstep/protocol"
)

// epochStart says that a leader epoch's first batch starts at an offset.
type epochStart struct {
	epoch protocol.LeaderEpoch
	start protocol.Offset
}

// epochs is every leader epoch that wrote into the log, ascending in both
// fields (KIP-101). A slice that was published is never written to below its
// length; the writer appends behind it or makes a new one.
type epochs []epochStart

// latest is the newest epoch, or -1.
func (e epochs) latest() protocol.LeaderEpoch {
	if len(e) == 0 {
		return -1
	}
	return e[len(e)-1].epoch
}

// at is the epoch that wrote offset o, or -1 where that is not known.
func (e epochs) at(o protocol.Offset) protocol.LeaderEpoch {
	i := sort.Search(len(e), func(i int) bool { return e[i].start > o })
	if i == 0 {
		return -1
	}
	return e[i-1].epoch
}

// end answers OffsetForLeaderEpoch (KIP-320): the largest epoch that is not
// above the asked one, and where it ended. An epoch above all known ones has
// no answer, -1 and -1; one below all known ones ended where those begin.
func (e epochs) end(asked protocol.LeaderEpoch, logEnd protocol.Offset) (protocol.LeaderEpoch, protocol.Offset) {
	i := sort.Search(len(e), func(i int) bool { return e[i].epoch > asked })
	switch {
	case asked < 0 || i == len(e) && e.latest() != asked:
		return -1, -1
	case i == len(e):
		return asked, logEnd
	case i == 0:
		return asked, e[0].start
	default:
		return e[i-1].epoch, e[i].start
	}
}

// with notes that epoch wrote at o, if that is news.
func (e epochs) with(epoch protocol.LeaderEpoch, o protocol.Offset) epochs {
	if epoch <= e.latest() {
		return e
	}
	return append(e, epochStart{epoch, o})
}

// before is the epochs of a log that is cut at end.
func (e epochs) before(end protocol.Offset) epochs {
	i := sort.Search(len(e), func(i int) bool { return e[i].start >= end })
	return slices.Clip(e[:i])
}

// from is the epochs of a log that begins at start: the one that wrote there
// begins there, and those before it are forgotten.
func (e epochs) from(start protocol.Offset) epochs {
	i := sort.Search(len(e), func(i int) bool { return e[i].start > start })
	if i == 0 {
		return e
	}
	kept := slices.Clone(e[i-1:])
	kept[0].start = start
	return kept
}

// agrees reports whether a batch that ends at last can be of the given epoch.
func (e epochs) agrees(last protocol.Offset, epoch protocol.LeaderEpoch) bool {
	return len(e) == 0 || last < e[0].start || e.at(last) == epoch
}

func (e epochs) validate() error {
	for i := 1; i < len(e); i++ {
		if e[i].epoch <= e[i-1].epoch || e[i].start < e[i-1].start {
			return fmt.Errorf("leader epoch %d at offset %d cannot follow %d at %d",
				e[i].epoch, e[i].start, e[i-1].epoch, e[i-1].start)
		}
	}
	return nil
}
