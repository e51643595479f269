package client

import (
	"encoding/binary"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// aborted drops what aborted transactions have left in a log. An answer to a fetch
// that is bounded by the last stable offset says which transactions were aborted
// and where each began; where it ended the log itself says, by a marker (KIP-98).
type aborted struct {
	begun []kmsg.FetchResponseTopicPartitionAbortedTransaction // not reached yet, in the order of their first offsets
	open  map[protocol.ProducerID]bool                         // their markers have not come yet
}

// newAborted is for the batches of one answer.
func newAborted(transactions []kmsg.FetchResponseTopicPartitionAbortedTransaction) *aborted {
	if len(transactions) == 0 {
		return nil
	}
	begun := slices.Clone(transactions)
	slices.SortFunc(begun, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		return int(min(1, max(-1, a.FirstOffset-b.FirstOffset)))
	})
	return &aborted{begun, map[protocol.ProducerID]bool{}}
}

// drops reports whether a batch belongs to an aborted transaction. Batches come in
// the order of the log.
func (a *aborted) drops(b record.Batch) bool {
	if a == nil {
		return false
	}
	for len(a.begun) > 0 && a.begun[0].FirstOffset <= int64(b.LastOffset()) {
		a.open[protocol.ProducerID(a.begun[0].ProducerID)] = true
		a.begun = a.begun[1:]
	}
	switch {
	case b.Control():
		if abortMarker(b) {
			delete(a.open, b.ProducerID())
		}
		return false
	case !b.Transactional():
		return false
	}
	return a.open[b.ProducerID()]
}

// abortMarker reports whether a control batch ends a transaction by an abort: its
// key is a version and a type, of which 0 is an abort.
func abortMarker(b record.Batch) bool {
	records, err := b.Open(record.Limits{})
	if err != nil {
		return false
	}
	defer records.Release()
	w := records.Walk()
	return w.Next() && len(w.Key) >= 4 && binary.BigEndian.Uint16(w.Key[2:]) == 0
}
