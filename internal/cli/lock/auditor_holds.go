package lock

import (
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// auditedHolds are the transactions that are open at a place of the log, and what
// they hold there. What they wrote counts from their commit on, see marker: until
// then it stands here alone, and after an abort nowhere.
type auditedHolds struct {
	open  []*auditedTransaction // by their first batches
	locks map[lockKey][]auditedHold
	ids   map[lockKey]heldAppend // by their hashes
}

// auditedTransaction is one that is open.
type auditedTransaction struct {
	producer protocol.ProducerID
	first    protocol.Offset // the base offset of its first batch
	newest   protocol.Offset // its newest record
	records  int64
	held     []lockKey // each once
	ids      []lockKey
	carried  bool // some of it: it was copied, and says nothing of an order
}

// auditedHold is what one transaction has on a lock. Offsets are None where it has nothing.
type auditedHold struct {
	producer  protocol.ProducerID
	exclusive protocol.Offset // since this record
	shared    protocol.Offset // since this record
	mark      protocol.Offset // the newest record of it that writes the lock
}

// heldAppend is an append with a lock-id, in an open transaction.
type heldAppend struct {
	producer protocol.ProducerID
	first    protocol.Offset
}

func newAuditedHolds() auditedHolds {
	return auditedHolds{locks: map[lockKey][]auditedHold{}, ids: map[lockKey]heldAppend{}}
}

// of is a producer's open transaction; nil: it has none.
func (h *auditedHolds) of(id protocol.ProducerID) *auditedTransaction {
	for _, t := range h.open {
		if t.producer == id {
			return t
		}
	}
	return nil
}

// begin is a producer's open transaction, which begins with the batch if there is none.
func (h *auditedHolds) begin(id protocol.ProducerID, batch protocol.Offset) *auditedTransaction {
	if t := h.of(id); t != nil {
		return t
	}
	t := &auditedTransaction{producer: id, first: batch, newest: protocol.None}
	h.open = append(h.open, t)
	return t
}

// add notes what a record of a transaction holds from now on.
func (h *auditedHolds) add(t *auditedTransaction, item *protocol.LockItem, at protocol.Offset) {
	key := keyOf(item.Name)
	all := h.locks[key]
	i := slices.IndexFunc(all, func(o auditedHold) bool { return o.producer == t.producer })
	if i < 0 {
		i, all = len(all), append(all, auditedHold{t.producer, protocol.None, protocol.None, protocol.None})
		t.held = append(t.held, key)
	}
	own := &all[i]
	switch {
	case item.Kind.Marks() && own.exclusive == protocol.None:
		own.exclusive, own.mark = at, at
	case item.Kind.Marks():
		own.mark = at
	case own.shared == protocol.None:
		own.shared = at
	}
	h.locks[key] = all
}

// addID notes that an append of a transaction stands under a lock-id.
func (h *auditedHolds) addID(t *auditedTransaction, id []byte, first protocol.Offset) {
	key := keyOf(id)
	if _, held := h.ids[key]; !held {
		h.ids[key] = heldAppend{t.producer, first}
		t.ids = append(t.ids, key)
	}
}

// release takes a transaction off, and tells what it had on each lock.
func (h *auditedHolds) release(t *auditedTransaction, had func(lockKey, auditedHold)) {
	for _, key := range t.held {
		all := h.locks[key]
		i := slices.IndexFunc(all, func(o auditedHold) bool { return o.producer == t.producer })
		had(key, all[i])
		if all = slices.Delete(all, i, i+1); len(all) > 0 {
			h.locks[key] = all
		} else {
			delete(h.locks, key)
		}
	}
	for _, key := range t.ids {
		delete(h.ids, key)
	}
	h.open = slices.DeleteFunc(h.open, func(o *auditedTransaction) bool { return o == t })
}

// against says which hold of another transaction than the owner's excludes a lock of a
// request; "" if none does. An exclusive hold excludes whoever names the lock, a shared
// one those who write it.
func (h *auditedHolds) against(item *protocol.LockItem, owner protocol.ProducerID) string {
	if item.All {
		return h.againstAll(item, owner)
	}
	if len(h.open) == 0 {
		return ""
	}
	for _, o := range h.locks[keyOf(item.Name)] {
		switch {
		case o.producer == owner:
		case o.exclusive != protocol.None:
			return fmt.Sprintf("lock %q was held since offset %v by a transaction that was still open", item.Raw, o.exclusive)
		case item.Kind.Marks() && o.shared != protocol.None:
			return fmt.Sprintf("lock %q was held for reading since offset %v by a transaction that was still open",
				item.Raw, o.shared)
		}
	}
	return ""
}

// againstAll is against for "*", which nobody holds: undecided records behind the
// basis exclude it.
func (h *auditedHolds) againstAll(item *protocol.LockItem, owner protocol.ProducerID) string {
	for _, t := range h.open {
		if item.Kind.Judged() && t.producer != owner && t.newest > item.Basis {
			return fmt.Sprintf("lock %q has basis %v, and offset %v behind it was undecided", item.Raw, item.Basis, t.newest)
		}
	}
	return ""
}

// againstID says which undecided append excludes another one with its lock-id. One of
// the same transaction does too: it is a repeat, and would have been left out.
func (h *auditedHolds) againstID(id []byte) string {
	if len(id) == 0 || len(h.ids) == 0 {
		return ""
	}
	held, ok := h.ids[keyOf(id)]
	if !ok {
		return ""
	}
	return fmt.Sprintf("lock-id %q stood at offset %v in a transaction that was still open", id, held.first)
}
