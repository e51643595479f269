package lock

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// auditor re-judges one partition's log, batch by batch, from the log alone. It
// shares no code with the broker's judgement but the grammar of the headers: it
// is the second opinion.
type auditor struct {
	start protocol.Offset // where the log begins; of writes before it nothing is known
	next  protocol.Offset // records below are folded
	last  map[lockKey]protocol.Offset
	all   protocol.Offset // the newest data record
	holds auditedHolds    // of what is undecided; last and all have what counts

	serial *serialPart // takes in what counts; nil: one partition has an order by itself

	carrying bool // the last lock headers were carried
	out      audited
	requests []auditedRecord // scratch: of one batch
}

// lockKey stands for a lock's name: 128 bits of its SHA-256, so that millions
// of locks take bounded memory each.
type lockKey [16]byte

// auditedRecord is one record of a batch with its lock request.
type auditedRecord struct {
	offset  protocol.Offset
	request protocol.LockRequest
}

// audited is the outcome for one partition.
type audited struct {
	Topic     string           `json:"topic" yaml:"topic"`
	Partition int32            `json:"partition" yaml:"partition"`
	Start     protocol.Offset  `json:"start" yaml:"start"`
	End       protocol.Offset  `json:"end" yaml:"end"`
	Records   int64            `json:"records" yaml:"records"`
	Requests  int64            `json:"lock_requests" yaml:"lock_requests"`
	Locks     int              `json:"locks" yaml:"locks"`
	Unproven  int64            `json:"unproven" yaml:"unproven"` // their basis is older than the log
	Carried   int64            `json:"carried" yaml:"carried"`   // records with lock headers that were not requests
	Aborted   int64            `json:"aborted" yaml:"aborted"`   // records of transactions that were aborted
	Undecided int64            `json:"undecided" yaml:"undecided"`
	Stretches []carriedRange   `json:"carried_stretches" yaml:"carried_stretches"`
	Wrong     []wrongAdmission `json:"wrong" yaml:"wrong"`
	WrongAll  int64            `json:"wrong_total" yaml:"wrong_total"`
}

// wrongAdmission is a record that should have been refused.
type wrongAdmission struct {
	Offset protocol.Offset `json:"offset" yaml:"offset"`
	Reason string          `json:"reason" yaml:"reason"`
}

// carriedRange is a part of the log that was carried: between its ends no lock request
// was judged. First and Last have lock headers.
type carriedRange struct {
	First   protocol.Offset `json:"first" yaml:"first"`
	Last    protocol.Offset `json:"last" yaml:"last"`
	Records int64           `json:"records" yaml:"records"`
}

// rangesListed bounds the ranges that are listed; what is in others is counted.
const rangesListed = 100

// wrongListed bounds what is listed one by one; all are counted.
const wrongListed = 100

func newAuditor(partition int32, start protocol.Offset) *auditor {
	return &auditor{
		start: start, next: start, all: protocol.None, last: map[lockKey]protocol.Offset{}, holds: newAuditedHolds(),
		out: audited{Partition: partition, Start: start, End: start, Wrong: []wrongAdmission{}, Stretches: []carriedRange{}},
	}
}

// fold judges a batch and then takes in what it wrote.
func (a *auditor) fold(b record.Batch) error {
	if b.LastOffset() < a.next {
		return nil
	}
	a.next, a.out.End = b.NextOffset(), b.NextOffset()
	if b.Count() == 0 {
		return nil
	}
	recs, err := b.Open(record.Limits{})
	if err != nil {
		return fmt.Errorf("offset %d: %w", int64(b.BaseOffset()), err)
	}
	defer recs.Release()
	if b.Control() {
		a.marker(b, &recs)
		return nil
	}
	a.requests = a.requests[:0]
	w := recs.Walk()
	for w.Next() {
		a.out.Records++
		r := a.more(b.BaseOffset() + protocol.Offset(w.OffsetDelta))
		if b.Carried() {
			a.readCarried(&w, r)
		} else {
			a.read(&w, r)
		}
	}
	a.appends(b)
	return nil
}

// appends judges the requests of a batch and takes in what they wrote, one after the other.
func (a *auditor) appends(b record.Batch) {
	var in *auditedTransaction
	owner := protocol.NoProducer
	if b.Transactional() {
		owner = b.ProducerID()
		in = a.holds.begin(owner, b.BaseOffset())
	}
	for from := 0; from < len(a.requests); {
		to := a.appendEnd(from)
		one := a.requests[from:to]
		if !b.Carried() {
			a.judge(one, owner)
		}
		if in != nil {
			a.hold(in, one, b.Carried())
		} else {
			a.mark(one)
			if a.serial != nil && !b.Carried() {
				a.serial.append(one)
			}
		}
		from = to
	}
	a.out.Locks = len(a.last)
}

// marker ends its producer's transaction: what it wrote counts from now on, or never.
func (a *auditor) marker(b record.Batch, recs *record.Records) {
	t := a.holds.of(b.ProducerID())
	m, ok := recs.Marker()
	if t == nil || !ok {
		return
	}
	node := noNode
	if a.serial != nil && !t.carried {
		node = a.serial.end(t, m.Number, m.Commit, b.BaseOffset())
	}
	a.holds.release(t, func(lock lockKey, h auditedHold) {
		if last, known := a.last[lock]; m.Commit && h.mark != protocol.None && (!known || last < h.mark) {
			a.last[lock] = h.mark
		}
		if m.Commit && node != noNode {
			a.serial.use(node, lock, h.mark != protocol.None)
		}
	})
	a.out.Undecided -= t.records
	if !m.Commit {
		a.out.Aborted += t.records
		return
	}
	a.all, a.out.Locks = max(a.all, t.newest), len(a.last)
	if node != noNode {
		a.serial.came(node, false)
	}
}

// more is the next of the batch's records, without a request yet.
func (a *auditor) more(offset protocol.Offset) *auditedRecord {
	if len(a.requests) < cap(a.requests) {
		a.requests = a.requests[:len(a.requests)+1]
	} else {
		a.requests = append(a.requests, auditedRecord{})
	}
	r := &a.requests[len(a.requests)-1]
	r.offset = offset
	r.request.Reset()
	return r
}

// read parses one record's lock headers.
func (a *auditor) read(w *record.Walker, r *auditedRecord) {
	h := w.Headers()
	for key, value, ok := h.Next(); ok; key, value, ok = h.Next() {
		if err := r.request.Header(key, value); err != nil {
			a.wrong(r.offset, "%v", err)
			r.request.Reset()
			return
		}
	}
	if r.request.Empty() {
		return
	}
	a.out.Requests++
	a.carrying = false
	if err := r.request.Finish(); err != nil {
		a.wrong(r.offset, "%v", err)
	}
}

// readCarried takes what marks of a record that the log says was stored without a
// judgement. It asked nothing of this log, so nothing of it can be wrong.
func (a *auditor) readCarried(w *record.Walker, r *auditedRecord) {
	locks := false
	h := w.Headers()
	for key, value, ok := h.Next(); ok; key, value, ok = h.Next() {
		locks = locks || strings.HasPrefix(string(key), protocol.LockPrefix)
		r.request.Carried(key, value)
	}
	if !locks {
		return
	}
	a.out.Carried++
	all := a.out.Stretches
	switch {
	case a.carrying && len(all) > 0:
		s := &all[len(all)-1]
		s.Last, s.Records = r.offset, s.Records+1
	case len(all) < rangesListed:
		a.out.Stretches = append(all, carriedRange{r.offset, r.offset, 1})
		a.carrying = true
	}
}

// appendEnd finds where the append that begins at from ends: neighbours with
// one lock-id are one append.
func (a *auditor) appendEnd(from int) int {
	id := a.requests[from].request.ID
	to := from + 1
	for len(id) > 0 && to < len(a.requests) && string(a.requests[to].request.ID) == string(id) {
		to++
	}
	return to
}

// judge holds the contract's rules against one append: for each lock that it
// writes or reads, the newest write before the append is at or below the basis, and no
// other open transaction holds what it names. What its own one wrote does not count.
func (a *auditor) judge(one []auditedRecord, owner protocol.ProducerID) {
	if reason := a.holds.againstID(one[0].request.ID); reason != "" {
		a.wrong(one[0].offset, "%s", reason)
	}
	for i := range one {
		for j := range one[i].request.Items {
			item := &one[i].request.Items[j]
			reason := ""
			if item.Kind.Judged() {
				reason = a.againstBasis(item, one[0].offset, owner)
			}
			if reason == "" {
				reason = a.holds.against(item, owner)
			}
			if reason != "" {
				a.wrong(one[i].offset, "%s", reason)
			}
		}
	}
}

// againstBasis says what is wrong with a basis, or "". How far a reader had come, the log
// cannot tell; but nobody who reads committed data was behind the first record that was undecided.
func (a *auditor) againstBasis(item *protocol.LockItem, before protocol.Offset, owner protocol.ProducerID) string {
	last, known := a.lastOf(item)
	switch {
	case item.All && owner != protocol.NoProducer:
		return fmt.Sprintf("lock %q is in a transaction, which cannot hold it", item.Raw)
	case item.Basis >= before:
		return fmt.Sprintf("lock %q has basis %v, which nobody can have read", item.Raw, item.Basis)
	case len(a.holds.open) > 0 && item.Basis >= a.holds.open[0].first:
		return fmt.Sprintf("lock %q has basis %v, and offset %v was undecided: "+
			"nobody who reads committed data can have read it", item.Raw, item.Basis, a.holds.open[0].first)
	case known && last > item.Basis:
		return fmt.Sprintf("lock %q was written at offset %v, after its basis %v", item.Raw, last, item.Basis)
	case !known && item.Basis+1 < a.start:
		a.out.Unproven++
	}
	return ""
}

func (a *auditor) lastOf(item *protocol.LockItem) (protocol.Offset, bool) {
	if item.All {
		return a.all, a.all != protocol.None
	}
	last, known := a.last[keyOf(item.Name)]
	return last, known
}

// mark takes in what the append wrote.
func (a *auditor) mark(one []auditedRecord) {
	for i := range one {
		for j := range one[i].request.Items {
			if item := &one[i].request.Items[j]; item.Kind.Marks() && !item.All {
				a.last[keyOf(item.Name)] = one[i].offset
			}
		}
		a.all = one[i].offset
	}
}

// hold is mark for an append of a transaction. Of one that was carried what marks is held.
func (a *auditor) hold(t *auditedTransaction, one []auditedRecord, carried bool) {
	if id := one[0].request.ID; len(id) > 0 && !carried {
		a.holds.addID(t, id, one[0].offset)
	}
	for i := range one {
		for j := range one[i].request.Items {
			if item := &one[i].request.Items[j]; !item.All && (item.Kind.Marks() || !carried) {
				a.holds.add(t, item, one[i].offset)
			}
		}
		t.newest = one[i].offset
	}
	t.carried = t.carried || carried
	t.records += int64(len(one))
	a.out.Undecided += int64(len(one))
}

func keyOf(name []byte) lockKey {
	sum := sha256.Sum256(name)
	return lockKey(sum[:16])
}

func (a *auditor) wrong(offset protocol.Offset, format string, args ...any) {
	a.out.WrongAll++
	if len(a.out.Wrong) < wrongListed {
		a.out.Wrong = append(a.out.Wrong, wrongAdmission{offset, fmt.Sprintf(format, args...)})
	}
}
