package segment

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// sequencesKept is how many batches of a producer a broker remembers: clients
// have at most five in flight, and retry no others.
const sequencesKept = 5

// sequences are the newest batches of each living idempotent producer, by
// their base offsets. Compaction must leave those.
type sequences map[protocol.ProducerID]*newestBatches

type newestBatches struct {
	epoch protocol.ProducerEpoch
	bases []protocol.Offset // oldest first
}

func newSequences(alive map[protocol.ProducerID]struct{}) sequences {
	s := make(sequences, len(alive))
	for id := range alive {
		s[id] = &newestBatches{}
	}
	return s
}

// note takes in the next batch of the log. A new epoch of a producer begins its
// sequences anew.
func (s sequences) note(id protocol.ProducerID, epoch protocol.ProducerEpoch, base protocol.Offset) {
	n := s[id]
	if n == nil {
		return
	}
	if n.epoch != epoch {
		n.epoch, n.bases = epoch, n.bases[:0]
	}
	if len(n.bases) == sequencesKept {
		n.bases = n.bases[:copy(n.bases, n.bases[1:])]
	}
	n.bases = append(n.bases, base)
}

func (s sequences) has(b record.Batch) bool {
	n := s[b.ProducerID()]
	return n != nil && n.epoch == b.ProducerEpoch() && slices.Contains(n.bases, b.BaseOffset())
}
