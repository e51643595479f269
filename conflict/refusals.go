package conflict

import (
	"sort"

	"github.com/lockstep-log/lockstep/protocol"
)

// Refused is one entry of a partition's conflict history.
type Refused struct {
	TimeMs  int64
	LogEnd  protocol.Offset // the offset that the batch would have got
	ID      string          // the refused append's own lock-id
	Refusal protocol.Refusal
}

// refusals is a ring of the latest ones, grown on demand.
type refusals struct {
	ring []Refused
	next int // place of the oldest, once the ring is full
	n    uint64
}

// RefusalsKept is how many refusals of a partition are kept.
const RefusalsKept = 1000

func (r *refusals) push(entry Refused) {
	r.n++
	if len(r.ring) < RefusalsKept {
		r.ring = append(r.ring, entry)
		return
	}
	r.ring[r.next] = entry
	r.next = (r.next + 1) % RefusalsKept
}

// Refuse notes a refusal that is sent, for people to read: in the history, and
// under the lock that was to blame. r is nil when Prepare refused.
func (c *LockTable) Refuse(r *Request, refusal *protocol.Refusal, nowMs int64) {
	entry := Refused{TimeMs: nowMs, LogEnd: c.young.end + 1, Refusal: *refusal}
	if r != nil {
		entry.ID = r.idOf(refusal.Record)
	}
	c.refusals.push(entry)
	if refusal.Lock != "" {
		c.hot.count(refusal.Lock)
	}
}

// idOf is the lock-id of the append that a record belongs to; "" for none.
func (r *Request) idOf(index int32) string {
	i := sort.Search(len(r.appends), func(i int) bool { return r.appends[i].last >= index })
	if i == len(r.appends) || r.appends[i].first > index {
		return ""
	}
	return string(r.id(r.appends[i].id))
}

// Refusals appends the latest refusals to dst, oldest first, and says how many
// there have been in all: who asks again sees how many are new. The entries
// are not changed any more.
func (c *LockTable) Refusals(dst []Refused) ([]Refused, uint64) {
	dst = append(dst, c.refusals.ring[c.refusals.next:]...)
	return append(dst, c.refusals.ring[:c.refusals.next]...), c.refusals.n
}
