package segment

import (
	"bytes"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// judge decides, batch by batch in the order of the log, what stays.
type judge struct {
	c     *Compaction
	fates []fate
	keep  []bool
	locks protocol.LockRequest
	held  bool // superseded records stayed
}

// fate of one record of the batch at hand.
type fate struct {
	offset     protocol.Offset
	slot       int // of its key, if that is known
	superseded bool
	expired    bool // the newest of its key, and a tombstone whose time has come
	tombstone  bool // with a key
	stays      bool
	unit       int32 // records of one append share a number
}

// batch is what is left of b; the zero Batch if nothing is. idsRemembered says
// that lock-ids in b may still be asked for.
func (j *judge) batch(b record.Batch, idsRemembered bool) (record.Batch, error) {
	j.c.stats.RecordsIn += int64(b.Count())
	if b.Control() || b.Transactional() || b.BaseOffset() >= j.c.until {
		j.c.stats.RecordsOut += int64(b.Count())
		return b, nil
	}
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
	j.weigh(b, &recs)
	if recs.HaveLocks() {
		j.keepLocks(&recs, b.Carried(), idsRemembered)
	}
	if sequenced && (recs.HaveLocks() || b.Count() != b.LastOffsetDelta()+1) {
		j.keepAll() // it may hold verdicts
	}
	if b.BaseOffset() == j.c.newest {
		j.keepUnit(j.fates[len(j.fates)-1].unit)
	}
	j.holdBack()
	return j.left(b, &recs, sequenced)
}

// weigh looks each key up.
func (j *judge) weigh(b record.Batch, recs *record.Records) {
	horizon, dated := b.DeleteHorizon()
	due := dated && horizon <= j.c.o.NowMs
	j.fates = j.fates[:0]
	w := recs.Walk()
	for w.Next() {
		f := fate{offset: b.BaseOffset() + protocol.Offset(w.OffsetDelta), unit: w.Index}
		switch {
		case w.Key == nil: // can be asked for by nobody, as in Kafka
			f.stays = f.offset >= j.c.until
		default:
			at, last, found := j.c.keys.find(hashKey(w.Key))
			f.slot, f.tombstone = at, w.Value == nil
			f.superseded = found && last > f.offset
			f.expired = due && f.tombstone && found && last == f.offset
			f.stays = f.offset >= j.c.until || !f.superseded && !f.expired
		}
		j.fates = append(j.fates, f)
	}
}

// keepLocks keeps the newest mark of each lock and the lock-ids that are
// remembered. Neighbours with one lock-id are one append.
func (j *judge) keepLocks(recs *record.Records, carried, idsRemembered bool) {
	var id []byte // of the record before
	w := recs.Walk()
	for w.Next() {
		f := &j.fates[w.Index]
		if !readLocks(&j.locks, &w, carried) {
			id = nil
			continue
		}
		for i := range j.locks.Items {
			f.stays = f.stays || marks(&j.locks.Items[i]) && j.newestMark(j.locks.Items[i].Name, f.offset)
		}
		f.stays = f.stays || j.locks.ID != nil && idsRemembered
		if before := w.Index - 1; id != nil && bytes.Equal(id, j.locks.ID) && j.fates[before].offset+1 == f.offset {
			f.unit = j.fates[before].unit
		}
		id = j.locks.ID
	}
	for i := range j.fates {
		if j.fates[i].stays {
			j.keepUnit(j.fates[i].unit)
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
	for i := int(unit); i < len(j.fates) && j.fates[i].unit == unit; i++ {
		j.fates[i].stays = true
	}
}

func (j *judge) keepAll() {
	for i := range j.fates {
		j.fates[i].stays = true
	}
}

// holdBack keeps tombstones of keys of which an older record stays.
func (j *judge) holdBack() {
	for again := true; again; {
		again = false
		for i := range j.fates {
			if f := &j.fates[i]; f.superseded && f.stays {
				j.c.keys.hold(f.slot)
				j.held = true
			}
		}
		for i := range j.fates {
			if f := &j.fates[i]; f.expired && !f.stays && j.c.keys.held(f.slot) {
				j.keepUnit(f.unit)
				again = true
			}
		}
	}
}

// left makes the batch of what stays. Tombstones that stay for the first time
// get the horizon from which on they may go.
func (j *judge) left(b record.Batch, recs *record.Records, sequenced bool) (record.Batch, error) {
	j.keep = j.keep[:0]
	kept, tombstones := int32(0), false
	for i := range j.fates {
		f := &j.fates[i]
		j.keep = append(j.keep, f.stays)
		if f.stays {
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
	case kept == 0 && !sequenced:
		return record.Batch{}, nil
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
