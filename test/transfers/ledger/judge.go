package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Judge holds everything against the logs. First it is told all acks and claims;
// then each partition's records, in order, and its end. Its memory is some 24
// bytes a transfer. It has one owner.
type Judge struct {
	bank     Bank
	replays  []*replay
	seen     map[uint32]*sequences // by writer
	acks     int64
	claims   int
	wrong    []string // the first of each kind of violation
	wrongAll map[string]int64
}

// replay is one partition as far as it was read.
type replay struct {
	*State
	next   int64   // records below were read
	last   []int64 // newest write of each account, by place; none
	acked  []ID    // by offset: who was told to be there; 0: nobody that is still to come
	claims []Claim // by basis, those that are still to come
}

const none = int64(-1)

// Ack is what a writer was told.
type Ack struct {
	ID        ID
	Partition int32
	Offset    int64
}

// Claim is what somebody believes: the balances of a partition after the record
// at a basis. AtEnd: that is all there is.
type Claim struct {
	Who       string
	Partition int32
	Basis     int64
	Balances  []int64
	AtEnd     bool
}

// Record is one record of a log.
type Record struct {
	Offset       int64
	Value        []byte
	Write, Basis []byte // its headers lock-write and lock-basis
}

// NewJudge has heard and read nothing.
func NewJudge(b Bank) *Judge {
	j := &Judge{bank: b, seen: map[uint32]*sequences{}, wrongAll: map[string]int64{}}
	for p := range int32(b.Partitions) {
		last := make([]int64, b.Size(p))
		for i := range last {
			last[i] = none
		}
		j.replays = append(j.replays, &replay{State: NewState(b, p), last: last})
	}
	return j
}

// Ack hears what a writer was told.
func (j *Judge) Ack(a Ack) {
	if a.Partition < 0 || int(a.Partition) >= len(j.replays) || a.Offset < 0 {
		j.complain("strange acknowledgement", "%v at offset %d of partition %d", a.ID, a.Offset, a.Partition)
		return
	}
	j.acks++
	r := j.replays[a.Partition]
	if missing := a.Offset + 1 - int64(len(r.acked)); missing > 0 {
		r.acked = append(r.acked, make([]ID, missing)...)
	}
	if other := r.acked[a.Offset]; other != 0 && other != a.ID {
		j.complain("two at one offset", "partition %d, offset %d: %v and %v were both told to be there", a.Partition, a.Offset, other, a.ID)
	}
	r.acked[a.Offset] = a.ID
}

// Claim hears what somebody believes.
func (j *Judge) Claim(c Claim) {
	j.claims++
	r := j.replays[c.Partition]
	at, _ := slices.BinarySearchFunc(r.claims, c.Basis, func(x Claim, basis int64) int { return cmp.Compare(x.Basis, basis) })
	r.claims = slices.Insert(r.claims, at, c)
}

// Record reads on in a partition.
func (j *Judge) Record(partition int32, rec Record) {
	r := j.replays[partition]
	place := func() string { return fmt.Sprintf("partition %d, offset %d", partition, rec.Offset) }
	if rec.Offset < r.next {
		j.complain("order", "%s comes after offset %d", place(), r.next-1)
	}
	j.hearClaims(r, rec.Offset, false)
	r.next = rec.Offset + 1
	t, err := DecodeTransfer(rec.Value)
	if err == nil {
		err = j.bank.check(partition, t)
	}
	if err != nil {
		j.complain("strange record", "%s: %v", place(), err)
		return
	}
	if !j.first(t.ID) {
		j.complain("doubled transfer", "%s: %v was in the log before", place(), t.ID)
	}
	if rec.Offset < int64(len(r.acked)) {
		if told := r.acked[rec.Offset]; told != 0 && told != t.ID {
			j.complain("lost acknowledged transfer", "%s: %v was told to be there, and there is %v", place(), told, t.ID)
		}
		r.acked[rec.Offset] = 0
	}
	if why := r.admit(t, rec); why != "" {
		j.complain("wrong admission", "%s: %s", place(), why)
	}
	if err := r.Apply(t); err != nil {
		j.complain("overdraft", "%s: %v", place(), err)
	}
}

// first reports whether an id was not read before.
func (j *Judge) first(id ID) bool {
	s := j.seen[id.writer()]
	if s == nil {
		s = &sequences{}
		j.seen[id.writer()] = s
	}
	return s.add(id.sequence())
}

// admit judges a transfer's lock request by the log before it, and marks what it
// writes. It says why it should have been refused.
func (r *replay) admit(t Transfer, rec Record) (why string) {
	from, to := r.Bank.Place(t.From), r.Bank.Place(t.To)
	basis, known := parseBasis(rec.Basis)
	switch {
	case !bytes.Equal(rec.Write, Locks(t)):
		why = fmt.Sprintf("it names the locks %q", rec.Write)
	case !known:
		why = fmt.Sprintf("it names the basis %q", rec.Basis)
	case basis >= rec.Offset:
		why = fmt.Sprintf("basis %d could not be known", basis)
	case r.last[from] > basis:
		why = fmt.Sprintf("account %d was written at offset %d, after basis %d", t.From, r.last[from], basis)
	case r.last[to] > basis:
		why = fmt.Sprintf("account %d was written at offset %d, after basis %d", t.To, r.last[to], basis)
	}
	r.last[from], r.last[to] = rec.Offset, rec.Offset
	return why
}

// Locks is the header lock-write of a transfer.
func Locks(t Transfer) []byte {
	b := strconv.AppendUint(make([]byte, 0, 24), uint64(t.From), 10)
	return strconv.AppendUint(append(b, ' '), uint64(t.To), 10)
}

func parseBasis(b []byte) (int64, bool) {
	if string(b) == "none" {
		return none, true
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil && n >= 0
}

// hearClaims judges those whose basis lies before an offset, where there is a
// record or the log ends.
func (j *Judge) hearClaims(r *replay, offset int64, ends bool) {
	for len(r.claims) > 0 && r.claims[0].Basis < offset {
		c := r.claims[0]
		if c.AtEnd && !(ends && c.Basis == offset-1) {
			j.complain("late database", "%s is at basis %d of partition %d, which goes on to %d", c.Who, c.Basis, c.Partition, offset)
		}
		j.judgeClaim(r, c)
		r.claims = r.claims[1:]
	}
}

func (j *Judge) judgeClaim(r *replay, c Claim) {
	if len(c.Balances) != len(r.Balances) {
		j.complain("false balances", "%s has %d accounts of partition %d, which has %d", c.Who, len(c.Balances), c.Partition, len(r.Balances))
		return
	}
	for place, b := range c.Balances {
		if b != r.Balances[place] {
			j.complain("false balances", "%s at basis %d of partition %d: account %d has %d, a replay makes it %d",
				c.Who, c.Basis, c.Partition, r.Bank.Account(c.Partition, place), b, r.Balances[place])
		}
	}
}

// End says that a partition has no record from an offset on.
func (j *Judge) End(partition int32, end int64) {
	r := j.replays[partition]
	for _, c := range r.claims {
		if c.Basis >= end {
			j.complain("false balances", "%s is at basis %d of partition %d, which ends at %d", c.Who, c.Basis, partition, end)
		}
	}
	j.hearClaims(r, end, true)
	for offset, id := range r.acked {
		if id != 0 {
			j.complain("lost acknowledged transfer", "%v was told to be at offset %d of partition %d", id, offset, partition)
		}
	}
	if want := int64(len(r.Balances)) * Opening; r.Total() != want {
		j.complain("money", "partition %d has %d, and began with %d", partition, r.Total(), want)
	}
}
