package replica

import "github.com/lockstep-log/lockstep/protocol"

// Missing are the first batches of producers that have nothing in a log: where
// their part of it would begin if those had not been refused. K names the
// producer, and the log if there are several.
//
// Only what is in flight behind a refused batch is held back: as many batches
// as a client may have. What comes later was sent by a client that has heard of
// the refusal and goes on without that batch. The zero value is ready for use.
type Missing[K comparable] struct {
	young, old map[K]missingBatch
}

const (
	// missingMax bounds each half; the older one goes when there are too many.
	missingMax = 4096
	// heldMax is how many batches a client has in flight behind one.
	heldMax = batchesRemembered - 1
)

type missingBatch struct {
	epoch protocol.ProducerEpoch
	first protocol.Sequence // the lowest that was refused in this epoch
	held  int8              // batches held back since
}

// Note takes in a batch that was refused.
func (m *Missing[K]) Note(k K, epoch protocol.ProducerEpoch, first protocol.Sequence) {
	if had, ok := m.half(k)[k]; ok && (had.epoch > epoch || had.epoch == epoch && had.first.Before(first)) {
		return
	}
	m.Forget(k)
	if m.young == nil || len(m.young) >= missingMax {
		m.young, m.old = map[K]missingBatch{}, m.young
	}
	m.young[k] = missingBatch{epoch: epoch, first: first}
}

// Holds reports whether the batch that begins at first is to be held back
// because one is missing before it.
func (m *Missing[K]) Holds(k K, epoch protocol.ProducerEpoch, first protocol.Sequence) bool {
	had, ok := m.half(k)[k]
	if !ok || had.epoch != epoch || !had.first.Before(first) {
		return false
	}
	if had.held++; had.held > heldMax {
		m.Forget(k)
		return false
	}
	m.half(k)[k] = had
	return true
}

// Forget is told that a producer's first batch is there, or will be judged.
func (m *Missing[K]) Forget(k K) {
	delete(m.young, k)
	delete(m.old, k)
}

// None reports whether nothing is missing.
func (m *Missing[K]) None() bool { return len(m.young)+len(m.old) == 0 }

// half is the half that holds k, or the younger one.
func (m *Missing[K]) half(k K) map[K]missingBatch {
	if _, ok := m.old[k]; ok {
		return m.old
	}
	return m.young
}
