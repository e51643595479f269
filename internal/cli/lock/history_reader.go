package lock

import (
	"bytes"
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// historyReader finds the records that name a lock.
type historyReader struct {
	partition int32
	name      []byte
	reads     bool
	timeout   time.Duration
	emit      func(lockUse) error
	q         protocol.LockRequest
	waiting   []waitingUse // in the order of the log; the first is undecided
}

// waitingUse is a use that is not shown yet, since its transaction is open, or because
// it lies behind one of those. While a transaction that writes the lock is open nobody
// else uses it: so these are few.
type waitingUse struct {
	lockUse
	producer protocol.ProducerID // whose transaction is to be decided; NoProducer: it is
}

const (
	stateAborted   = "aborted"
	stateUndecided = "undecided"
)

// read goes through a span of the log, batch by batch.
func (h *historyReader) read(ctx context.Context, cl *kgo.Client, topic string, span command.OffsetSpan) error {
	batches := client.Batches{Client: cl, Topic: topic, Partition: h.partition, From: span.Next, End: span.End,
		Patience: h.timeout}
	if err := batches.Each(ctx, func(b record.Batch) error { return h.batch(b, span.Next) }); err != nil {
		return err
	}
	return h.end()
}

// use emits a use as soon as it is known whether it counts.
func (h *historyReader) use(u lockUse, owner protocol.ProducerID) error {
	if owner == protocol.NoProducer && len(h.waiting) == 0 {
		return h.emit(u)
	}
	h.waiting = append(h.waiting, waitingUse{u, owner})
	return nil
}

// decide ends a producer's transaction.
func (h *historyReader) decide(id protocol.ProducerID, commit bool) error {
	for i := range h.waiting {
		if u := &h.waiting[i]; u.producer == id {
			u.producer = protocol.NoProducer
			if !commit {
				u.State = stateAborted
			}
		}
	}
	for len(h.waiting) > 0 && h.waiting[0].producer == protocol.NoProducer {
		if err := h.emit(h.waiting[0].lockUse); err != nil {
			return err
		}
		h.waiting = h.waiting[1:]
	}
	return nil
}

// end emits what waits for a marker that is not in the log yet.
func (h *historyReader) end() error {
	for _, u := range h.waiting {
		if u.producer != protocol.NoProducer {
			u.State = stateUndecided
		}
		if err := h.emit(u.lockUse); err != nil {
			return err
		}
	}
	h.waiting = nil
	return nil
}

func (h *historyReader) batch(b record.Batch, from int64) error {
	if b.Count() == 0 {
		return nil
	}
	recs, err := b.Open(record.Limits{})
	if err != nil {
		return err
	}
	defer recs.Release()
	if b.Control() {
		if m, ok := recs.Marker(); ok {
			return h.decide(b.ProducerID(), m.Commit)
		}
		return nil
	}
	owner := protocol.NoProducer
	if b.Transactional() {
		owner = b.ProducerID()
	}
	for w := recs.Walk(); w.Next(); {
		offset := int64(b.BaseOffset()) + int64(w.OffsetDelta)
		if offset < from {
			continue
		}
		use := lockUse{Partition: h.partition, Offset: offset, Time: time.UnixMilli(b.FirstTimestamp() + w.TimestampDelta),
			Key: string(w.Key)}
		if err := h.record(&w, use, owner, b.Carried()); err != nil {
			return err
		}
	}
	return nil
}

// record shows one record if it names the lock. Of one that was carried each
// header is looked at by itself, and its bases are another log's.
func (h *historyReader) record(w *record.Walker, use lockUse, owner protocol.ProducerID, carried bool) error {
	if !h.parse(w, carried) {
		return nil
	}
	if h.q.ID != nil {
		use.By = string(h.q.ID)
	}
	for i := range h.q.Items {
		item := &h.q.Items[i]
		if !h.wants(item) {
			continue
		}
		use.Kind, use.Basis = item.Kind.String(), nil
		if basis := item.Basis; item.Kind.Judged() && !carried {
			use.Basis = &basis
		}
		if err := h.use(use, owner); err != nil {
			return err
		}
	}
	return nil
}

// parse reads a record's lock headers, and reports whether they are a lock request.
func (h *historyReader) parse(w *record.Walker, carried bool) bool {
	h.q.Reset()
	headers := w.Headers()
	for key, value, ok := headers.Next(); ok; key, value, ok = headers.Next() {
		if carried {
			h.q.Carried(key, value)
		} else if h.q.Header(key, value) != nil {
			return false
		}
	}
	return carried || !h.q.Empty() && h.q.Finish() == nil
}

// wants reports whether an item is of the lock, and of a kind that is asked for.
func (h *historyReader) wants(item *protocol.LockItem) bool {
	return !item.All && bytes.Equal(item.Name, h.name) && (h.reads || item.Kind != protocol.LockRead)
}
