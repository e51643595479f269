package conflict

import (
	"fmt"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// proposeEach is propose for a producer that wants a verdict per append.
func (p *partition) proposeEach(b record.Batch) string {
	r := p.prepare(b)
	defer r.Release()
	before := p.digest()
	v := p.locks.JudgeEach(r, p.hw)
	p.must(v.Err)
	if after := p.digest(); before != after {
		p.t.Fatalf("JudgeEach changed the table")
	}
	if base := p.end; p.admit(r, &v, before) {
		at := p.append(b)
		p.sameAsReplay()
		return at + p.left(v, base)
	}
	v = p.locks.JudgeEach(r, p.hw) // Admit has used the request's scratch
	if v.Drop != nil {
		kept, err := b.Keep(v.Keeps, record.Limits{})
		p.must(err)
		b = kept
	}
	base := p.end
	at := p.append(b)
	p.locks.Mark(r, base, v)
	p.sameAsReplay()
	return at + p.left(v, base)
}

// again judges the newest batch of the log as a retry of itself, by the table
// as it is or by a replay of the log.
func (p *partition) again(b record.Batch, refold bool) string {
	r := p.prepare(b)
	defer r.Release()
	kept := p.log[len(p.log)-1]
	for i := len(p.log) - 1; kept.Control(); i-- {
		kept = p.log[i]
	}
	written := map[int32]bool{}
	recs, err := kept.Open(record.Limits{})
	p.must(err)
	for w := recs.Walk(); w.Next(); {
		written[w.OffsetDelta] = true
	}
	recs.Release()
	locks := p.locks
	if refold {
		locks = p.replay()
	}
	v := locks.JudgeAgain(r, func(i int32) bool { return written[i] }, kept.BaseOffset())
	p.must(v.Err)
	return fmt.Sprintf("in the log at %d", kept.BaseOffset()) + p.left(v, kept.BaseOffset())
}

func (p *partition) prepare(b record.Batch) *Request {
	recs, err := b.Open(record.Limits{})
	p.must(err)
	defer recs.Release()
	r, refusal := Prepare(b, &recs, Optional)
	if refusal != nil {
		p.t.Fatal(refusal)
	}
	return r
}

// left tells the appends that were left out, and what the answer waits for.
func (p *partition) left(v Verdict, base protocol.Offset) string {
	var b strings.Builder
	for i := range v.Skipped {
		l := &v.Skipped[i]
		l.Place(base)
		fmt.Fprintf(&b, "\n  %d..%d ", l.First, l.Last)
		if l.Refusal != nil {
			b.WriteString(l.Refusal.Message())
		} else {
			fmt.Fprintf(&b, "is at %d", l.At)
		}
	}
	if v.Await != protocol.None {
		fmt.Fprintf(&b, "\n  awaits %d", v.Await)
	}
	return b.String()
}
