package replica

import (
	"errors"
	"sync"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Marker ends a producer's open transaction in this partition.
type Marker struct {
	Producer protocol.ProducerID
	Epoch    protocol.ProducerEpoch // that the control batch names
	Commit   bool
	// CoordinatorEpoch is the leader epoch of the transaction log's partition.
	CoordinatorEpoch int32
	// Number counts the ends of the transactional id, see coordinator/txn.Markers; 0: it
	// comes from somebody who does not count, as for a transaction that no coordinator knows.
	Number int64
}

// Batch is the marker as it is proposed.
func (k *Marker) Batch(nowMs int64) record.Batch {
	m := record.Marker{Commit: k.Commit, CoordinatorEpoch: k.CoordinatorEpoch, Number: k.Number}
	return m.Batch(k.Producer, k.Epoch, nowMs)
}

// WriteMarker appends the marker, here alone if this broker leads; done is called
// once, from the loop or at once, and must not block: with nil when the marker is
// committed, with ErrProducerFenced when a newer epoch of the producer has
// written, with ErrCoordinatorFenced when a newer coordinator has, or with the
// errors of an append with acks=all.
//
// A marker whose number is not above the producer's last one is a repeat. It is
// answered when that last one is committed, and nothing is appended. timeoutMs is
// how long the answer may take; 0 is for ever.
func (p *Partition) WriteMarker(k Marker, timeoutMs int64, done func(error)) {
	if k.Producer < 0 || k.Epoch < 0 {
		done(ErrProducerFenced)
		return
	}
	w := &markerWrite{done: done}
	w.Batch = k.Batch(p.opts.NowMs())
	w.Marker, w.Acks, w.TimeoutMs, w.Done = &k, AcksAll, timeoutMs, w
	p.Propose(&w.Proposal)
}

// markerWrite is a marker on its way.
type markerWrite struct {
	Proposal
	done func(error)
}

// Completed implements Completer.
func (w *markerWrite) Completed(q *Proposal) { w.done(q.Result.Err) }

// LastStable is the offset below which all is committed and no transaction is
// undecided. Who reads it before the high watermark finds it not above that.
func (p *Partition) LastStable() protocol.Offset { return protocol.Offset(p.lastStable.Load()) }

// Aborted lists the transactions that were aborted by a marker at from or behind,
// and that began below the other offset, in the order of their markers: what a
// reader of committed transactions must know who reads from one to the other, of
// which the latter is not above a LastStable that was read before.
func (p *Partition) Aborted(from, below protocol.Offset) []AbortedTransaction {
	return abortedIn(p.transactions.abortedNow(), from, below)
}

// OpenTransaction tells the transaction that a producer has open in this partition.
func (p *Partition) OpenTransaction(id protocol.ProducerID) (epoch protocol.ProducerEpoch, first protocol.Offset, open bool) {
	s := p.Transaction(id)
	return s.Epoch, s.First, s.Open
}

// Transaction is what is known of a producer's transactions in this partition.
func (p *Partition) Transaction(id protocol.ProducerID) TransactionState {
	return p.transactions.of(id)
}

// OpenTransactions counts the partition's open transactions, and tells when the
// oldest of them began, in ms since 1970; 0 without any.
func (p *Partition) OpenTransactions() (n int, oldestMs int64) { return p.transactions.open() }

// transactionsShown is what others than the loop see of the transactions.
type transactionsShown struct {
	mu struct {
		sync.RWMutex
		byID     map[protocol.ProducerID]TransactionState
		aborted  []AbortedTransaction // never written to
		opened   int
		oldestMs int64
	}
	last *Transactions // the loop's: what was shown
}

// show is called by the loop.
func (s *transactionsShown) show(t *Transactions) {
	if t == s.last && len(t.touched) == 0 && !t.lost {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t != s.last {
		t.lost = true
	}
	s.last = t
	t.takeTouched(func(all bool, id protocol.ProducerID, st TransactionState) {
		switch {
		case all:
			s.mu.byID = nil
		case st == noTransactions:
			delete(s.mu.byID, id)
		default:
			if s.mu.byID == nil {
				s.mu.byID = map[protocol.ProducerID]TransactionState{}
			}
			s.mu.byID[id] = st
		}
	})
	s.mu.aborted = t.aborted
	s.mu.opened, s.mu.oldestMs = t.Open()
}

func (s *transactionsShown) of(id protocol.ProducerID) TransactionState {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if st, ok := s.mu.byID[id]; ok {
		return st
	}
	return noTransactions
}

func (s *transactionsShown) abortedNow() []AbortedTransaction {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.aborted
}

func (s *transactionsShown) open() (n int, oldestMs int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.opened, s.mu.oldestMs
}

// judgeMarker is judge for a marker.
func (m *Machine) judgeMarker(q *Proposal, end protocol.Offset, now int64) protocol.Offset {
	k, rules := q.Marker, m.folds.transactions.rules
	if at, ok := rules.Marked(k.Producer, k.Number); ok {
		q.Result.Repeated, q.Result.Base, q.await = true, at, at
		return end
	}
	if err := m.folds.producers.sequences.Follows(q.Batch); err != nil {
		q.Result.Err = err
		return end
	}
	if err := rules.MayMark(k.Producer, k.CoordinatorEpoch); err != nil {
		q.Result.Err = err
		return end
	}
	return m.place(q, q.Batch, end, now).NextOffset()
}

// refusedByTransaction refuses a batch that may not be appended in the state that
// its producer's transaction is in. gap is what its sequence is worth.
func (m *Machine) refusedByTransaction(q *Proposal, gap error) bool {
	err := m.folds.transactions.rules.Accepts(q.Batch, q.Joins)
	if err == nil || errors.Is(gap, ErrProducerFenced) {
		return false
	}
	// That none is open is true of who leads only.
	q.Result.Err, q.needsConfirmation = err, true
	return true
}
