package segment

import (
	"bytes"
	"slices"
	"sort"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// judge decides, batch by batch in the order of the log, what stays.
type judge struct {
	c         *Compaction
	decisions []decision
	keep      []bool
	locks     protocol.LockRequest
	held      bool                         // superseded records stayed
	left      map[protocol.ProducerID]bool // has batches left of the transaction at hand
}

// decision is what becomes of one record of the batch at hand.
type decision struct {
	offset     protocol.Offset
	slot       int // of its key, if that is known
	superseded bool
	expired    bool // the newest of its key, and a tombstone whose time has come
	tombstone  bool // with a key
	keep       bool
	unit       int32 // records of one append share a number
}

// filterBatch is what is left of b, or the zero Batch if nothing is. idsRemembered says
// that lock-ids in b may still be asked for.
func (j *judge) filterBatch(b record.Batch, idsRemembered bool) (left record.Batch, err error) {
	j.c.stats.RecordsIn += int64(b.Count())
	switch {
	case b.BaseOffset() >= j.c.until:
		left = b
		j.c.stats.RecordsOut += int64(b.Count())
	case b.Control():
		if left, err = j.filterMarker(b); !left.IsZero() {
			j.c.stats.RecordsOut += int64(b.Count())
		}
	case b.Transactional() && j.c.aborted.has(b.ProducerID(), b.BaseOffset()):
		left, err = j.filterAborted(b)
	default:
		left, err = j.filterData(b, idsRemembered)
	}
	j.noteLeft(left)
	return left, err
}

// filterData is filterBatch for data that counts.
func (j *judge) filterData(b record.Batch, idsRemembered bool) (record.Batch, error) {
	// A broker that starts learns its producers' sequences from the log, so the
	// newest batches of each must stay, if need be without records.
	sequenced := j.c.recent.has(b)
	if b.Count() == 0 {
		if sequenced {
			return b, nil
		}
		return record.Batch{}, nil
	}
	recs, err := b.Open(j.c.o.Limits)
	if err != nil {
		return record.Batch{}, unopened(b, err)
	}
	defer recs.Release()
	j.lookUpKeys(b, &recs)
	if recs.HaveLocks() {
		j.keepLocks(&recs, b.Carried(), idsRemembered)
	}
	if sequenced && (recs.HaveLocks() || b.Count() != b.LastOffsetDelta()+1) {
		// A retry of it is answered by which of its records are in the log, so that
		// these are its verdicts, and none may go.
		j.keepAll()
	}
	// "*" is judged by the newest data record, which a start must find again.
	if b.BaseOffset() == j.c.newest {
		j.keepUnit(j.decisions[len(j.decisions)-1].unit)
	}
	j.keepNeededTombstones()
	return j.retained(b, &recs, sequenced)
}

// lookUpKeys looks each key up.
func (j *judge) lookUpKeys(b record.Batch, recs *record.Records) {
	horizon, dated := b.DeleteHorizon()
	due := dated && horizon <= j.c.o.NowMs
	j.decisions = j.decisions[:0]
	w := recs.Walk()
	for w.Next() {
		f := decision{offset: b.BaseOffset() + protocol.Offset(w.OffsetDelta), unit: w.Index}
		switch {
		case w.Key == nil: // can be asked for by nobody, as in Kafka
			f.keep = f.offset >= j.c.until
		default:
			at, last, found := j.c.keys.find(hashKey(w.Key))
			f.slot, f.tombstone = at, w.Value == nil
			f.superseded = found && last > f.offset
			f.expired = due && f.tombstone && found && last == f.offset
			f.keep = f.offset >= j.c.until || !f.superseded && !f.expired
		}
		j.decisions = append(j.decisions, f)
	}
}

// keepLocks keeps the newest mark of each lock and the lock-ids that are
// remembered. Neighbours with one lock-id are one append.
func (j *judge) keepLocks(recs *record.Records, carried, idsRemembered bool) {
	var id []byte // of the record before
	w := recs.Walk()
	for w.Next() {
		f := &j.decisions[w.Index]
		if !readLocks(&j.locks, &w, carried) {
			id = nil
			continue
		}
		for i := range j.locks.Items {
			f.keep = f.keep || marks(&j.locks.Items[i]) && j.newestMark(j.locks.Items[i].Name, f.offset)
		}
		f.keep = f.keep || j.locks.ID != nil && idsRemembered
		if before := w.Index - 1; id != nil && bytes.Equal(id, j.locks.ID) && j.decisions[before].offset+1 == f.offset {
			f.unit = j.decisions[before].unit
		}
		id = j.locks.ID
	}
	// Only now are all units known. An append stays as a whole, because a lock-id
	// stands for all its records: a part of it would be answered as if it were all.
	for i := range j.decisions {
		if j.decisions[i].keep {
			j.keepUnit(j.decisions[i].unit)
		}
	}
}

// newestMark reports whether nothing later is known to mark the lock.
func (j *judge) newestMark(name []byte, o protocol.Offset) bool {
	_, last, found := j.c.keys.find(hashLock(name))
	return !found || last <= o
}

// keepUnit keeps an append as a whole. Its records are neighbours, and its
// number is the place of the first.
func (j *judge) keepUnit(unit int32) {
	for i := int(unit); i < len(j.decisions) && j.decisions[i].unit == unit; i++ {
		j.decisions[i].keep = true
	}
}

func (j *judge) keepAll() {
	for i := range j.decisions {
		j.decisions[i].keep = true
	}
}

// keepNeededTombstones keeps tombstones of keys of which an older record stays.
func (j *judge) keepNeededTombstones() {
	// A tombstone that is kept takes its append's other records along, of which one
	// may be superseded and so hold back a further tombstone: hence until nothing
	// changes.
	for again := true; again; {
		again = false
		for i := range j.decisions {
			if f := &j.decisions[i]; f.superseded && f.keep {
				j.c.keys.pin(f.slot)
				j.held = true
			}
		}
		for i := range j.decisions {
			if f := &j.decisions[i]; f.expired && !f.keep && j.c.keys.pinned(f.slot) {
				j.keepUnit(f.unit)
				again = true
			}
		}
	}
}

// retained makes the batch of what stays. Tombstones that stay for the first time
// get the horizon from which on they may go.
func (j *judge) retained(b record.Batch, recs *record.Records, sequenced bool) (record.Batch, error) {
	j.keep = j.keep[:0]
	kept, tombstones := int32(0), false
	for i := range j.decisions {
		f := &j.decisions[i]
		j.keep = append(j.keep, f.keep)
		if f.keep {
			kept++
			tombstones = tombstones || f.tombstone
		}
	}
	j.c.stats.RecordsOut += int64(kept)
	horizon := int64(-1)
	if _, dated := b.DeleteHorizon(); tombstones && !dated && b.LastOffset() < j.c.until {
		horizon = max(0, j.c.o.NowMs+j.c.o.DeleteRetentionMs)
	}
	switch {
	// A batch without records stays where it is the last to tell a producer's sequence.
	case kept == 0 && !sequenced:
		return record.Batch{}, nil
		// All stays: the bytes of before serve, and their compression.
	case kept == b.Count() && horizon < 0:
		return b, nil
	}
	return b.Retain(recs, j.keep, horizon)
}

// sequencesKept is how many batches of a producer a broker remembers: clients
// have at most five in flight, and retry no others.
const sequencesKept = 5

// sequences are the newest batches of each living idempotent producer, by
// their base offsets. Compaction must leave those.
type sequences map[protocol.ProducerID]*newestBatches

type newestBatches struct {
	epoch  protocol.ProducerEpoch
	bases  []protocol.Offset // oldest first
	marker protocol.Offset   // the newest marker; None: there is none
}

func newSequences(alive map[protocol.ProducerID]struct{}) sequences {
	s := make(sequences, len(alive))
	for id := range alive {
		s[id] = &newestBatches{marker: protocol.None}
	}
	return s
}

// observe takes in the next batch of the log. A new epoch of a producer begins its
// sequences anew.
func (s sequences) observe(id protocol.ProducerID, epoch protocol.ProducerEpoch, base protocol.Offset) {
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

// observeMarker takes in the next marker. One with a new epoch ends what its producer
// has counted so far.
func (s sequences) observeMarker(id protocol.ProducerID, epoch protocol.ProducerEpoch, at protocol.Offset) {
	n := s[id]
	if n == nil {
		return
	}
	if n.epoch != epoch {
		n.epoch, n.bases = epoch, n.bases[:0]
	}
	n.marker = at
}

// marks reports whether a marker is its producer's newest.
func (s sequences) marks(b record.Batch) bool {
	n := s[b.ProducerID()]
	return n != nil && n.marker == b.BaseOffset()
}

func (s sequences) has(b record.Batch) bool {
	n := s[b.ProducerID()]
	return n != nil && n.epoch == b.ProducerEpoch() && slices.Contains(n.bases, b.BaseOffset())
}

// Aborted is a transaction that was aborted: the producer's transactional batches
// from First on, up to its marker at Last, count for nothing.
type Aborted struct {
	Producer    protocol.ProducerID
	First, Last protocol.Offset
}

// abortedBatches finds out which batches were aborted. Those of each producer are in
// the order of their offsets, and do not overlap.
type abortedBatches map[protocol.ProducerID][]Aborted

func newAbortedBatches(all []Aborted) abortedBatches {
	by := make(abortedBatches)
	for _, a := range all {
		by[a.Producer] = append(by[a.Producer], a)
	}
	return by
}

// has reports whether a transactional batch was aborted.
func (by abortedBatches) has(id protocol.ProducerID, base protocol.Offset) bool {
	of := by[id]
	i := sort.Search(len(of), func(i int) bool { return of[i].Last > base })
	return i < len(of) && of[i].First <= base
}

// filterAborted is what is left of a batch that was aborted: nothing, or its sequence.
func (j *judge) filterAborted(b record.Batch) (record.Batch, error) {
	if !j.c.recent.has(b) {
		return record.Batch{}, nil
	}
	if b.Count() == 0 {
		return b, nil
	}
	return b.Keep(func(int32) bool { return false }, j.c.o.Limits)
}

// filterMarker is what is left of a marker. It stays as long as there is a batch of
// its transaction, be it empty: without it a fold would take the transaction for
// open. Then it gets a delete horizon, as a tombstone does (KIP-534): a reader that
// has read of the transaction before must find its end. The newest one of a living
// producer stays: it holds the producer's epoch, and the number of the end.
func (j *judge) filterMarker(b record.Batch) (record.Batch, error) {
	id := b.ProducerID()
	left := j.left[id]
	delete(j.left, id)
	horizon, dated := b.DeleteHorizon()
	switch {
	case left || j.c.recent.marks(b):
		return b, nil
	case dated && horizon <= j.c.o.NowMs:
		return record.Batch{}, nil
	case dated:
		return b, nil
	}
	recs, err := b.Open(j.c.o.Limits)
	if err != nil {
		return record.Batch{}, unopened(b, err)
	}
	defer recs.Release()
	j.keep = j.keep[:0]
	for range b.Count() {
		j.keep = append(j.keep, true)
	}
	return b.Retain(&recs, j.keep, max(0, j.c.o.NowMs+j.c.o.DeleteRetentionMs))
}

// noteLeft remembers that a batch of a transaction is left, until its marker.
func (j *judge) noteLeft(b record.Batch) {
	if b.IsZero() || !b.Transactional() || b.Control() {
		return
	}
	if j.left == nil {
		j.left = make(map[protocol.ProducerID]bool)
	}
	j.left[b.ProducerID()] = true
}
