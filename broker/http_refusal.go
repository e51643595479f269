package broker

import (
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
)

// asJSON is one entry of the conflict history.
func asJSON(topic string, partition int32, e *conflict.Refused) refusedAppend {
	r := &e.Refusal
	out := refusedAppend{
		Topic: topic, Partition: partition, Time: time.UnixMilli(e.TimeMs).UTC(),
		Kind: r.Kind.String(), ID: e.ID, Lock: r.Lock, By: r.By, Record: r.Record,
		LogEnd: int64(e.LogEnd), Message: r.Message(),
	}
	if r.Kind == protocol.RefusalDuplicate {
		out.ID = r.ID
	}
	if !r.LastInBatch && (r.Kind == protocol.RefusalConflict || r.Kind == protocol.RefusalDuplicate) {
		last := int64(r.Last)
		out.Last = &last
	}
	if r.Kind == protocol.RefusalConflict || r.Kind == protocol.RefusalUnknown {
		basis := int64(r.Basis)
		out.Basis = &basis
	}
	return out
}

func sortByTime(all []refusedAppend) {
	slices.SortStableFunc(all, func(a, b refusedAppend) int { return a.Time.Compare(b.Time) })
}
