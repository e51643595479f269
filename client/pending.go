package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// pending is an append on its way.
type pending struct {
	at      place
	records []record.Record
	bytes   int    // about what the records take in a batch
	id      string // "" when it has no lock-id
	ctx     context.Context
	done    func(Result, error) // called once, by the lane; must not block

	// alone is how many appends may share its batch; 0 is any number. It falls
	// when a batch fails for a reason that names none of its appends.
	alone int

	// Guarded by the lane's mu.
	taken bool // it is in a batch that was sent, or is about to be
	gone  bool // its caller waits no more, and done does nothing
}

const recordOverheadBytes = 24 // lengths, deltas and a header count, at most

// newPending puts the condition into the records' headers. The locks go with
// the last record: whoever has read up to there has read the whole append.
func newPending(ctx context.Context, at place, cond Cond, recs []*kgo.Record) (*pending, error) {
	if len(recs) == 0 {
		return nil, errors.New("an append without records")
	}
	p := &pending{at: at, ctx: ctx, id: cond.ID}
	if p.id == "" && len(recs) > 1 {
		p.id = rand.Text()
	}
	p.records = make([]record.Record, len(recs))
	check := checks.Get().(*protocol.LockRequest)
	defer checks.Put(check)
	for i, r := range recs {
		headers := r.Headers[:len(r.Headers):len(r.Headers)]
		if i == len(recs)-1 {
			headers = appendLocks(headers, cond.Basis, cond.Locks)
		}
		if p.id != "" {
			headers = append(headers, kgo.RecordHeader{Key: protocol.HeaderLockID, Value: []byte(p.id)})
		}
		if err := checkHeaders(check, headers); err != nil {
			return nil, malformed(at, i, err)
		}
		if p.id == "" && check.ID != nil {
			p.id = string(check.ID) // it came with the record's own headers
		}
		p.records[i] = p.encoded(r, headers)
	}
	return p, nil
}

func (p *pending) encoded(r *kgo.Record, headers []kgo.RecordHeader) record.Record {
	at := r.Timestamp
	if at.IsZero() {
		at = time.Now()
	}
	out := record.Record{Timestamp: at.UnixMilli(), Key: r.Key, Value: r.Value}
	p.bytes += recordOverheadBytes + len(r.Key) + len(r.Value)
	if len(headers) > 0 {
		out.Headers = make([]record.Header, len(headers))
	}
	for i, h := range headers {
		out.Headers[i] = record.Header{Key: h.Key, Value: h.Value}
		p.bytes += 4 + len(h.Key) + len(h.Value)
	}
	return out
}

func (p *pending) finish(result Result, err error) { p.done(result, err) }

// checks are requests to check headers with, to be used again.
var checks = sync.Pool{New: func() any { return new(protocol.LockRequest) }}

// refused finishes it with a refusal that counted records in the batch, of
// which its own begin at first.
func (p *pending) refused(first int32, text string) {
	r, ok := protocol.ParseRefusal(text)
	if !ok {
		p.finish(Result{}, fmt.Errorf("the broker refused the append with a text of no known form: %q", text))
		return
	}
	r.Record -= first
	p.finish(Result{}, newError(p.at.topic, p.at.partition, &r, text))
}

// expired reports whether it is not to be sent any more: nobody waits, or its
// context ended before it was ever sent. The lane's mu is held.
func (p *pending) expired() bool { return p.gone || !p.taken && p.ctx.Err() != nil }

// expire finishes what has expired; the lane's mu is not held.
func expire(expired []*pending) {
	for _, p := range expired {
		if err := p.ctx.Err(); err != nil {
			p.finish(Result{}, err)
		} else {
			p.finish(Result{}, ErrClosed)
		}
	}
}
