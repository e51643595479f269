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
	one     [1]record.Record // what records is of, mostly
	headers [3]record.Header // and its headers
	values  [64]byte         // and what these hold
	bytes   int              // about what the records take in a batch
	id      string           // "" when it has no lock-id
	ctx     context.Context
	done    func(Result, error) // called once, by the lane; must not block
	slot    <-chan struct{}     // given back first, and p with it; nil: neither is the lane's to do

	// alone is how many appends may share its batch; 0 is any number. It falls
	// when a batch fails for a reason that names none of its appends.
	alone int

	// Guarded by the lane's mu.
	taken bool // it is in a batch that was sent, or is about to be
	gone  bool // its caller waits no more, and done does nothing
}

const (
	recordOverheadBytes = 24 // lengths, deltas and a header count, about
	headerOverheadBytes = 4  // two lengths, about
	lockHeadersMax      = 5  // one of each kind
)

// newPending puts the condition into the records' headers. The locks go with
// the last record: whoever has read up to there has read the whole append.
func newPending(ctx context.Context, at place, cond Cond, recs []*kgo.Record) (*pending, error) {
	if len(recs) == 0 {
		return nil, errors.New("an append without records")
	}
	p := spares.Get().(*pending)
	p.at, p.ctx, p.id = at, ctx, cond.ID
	if p.id == "" && len(recs) > 1 {
		p.id = rand.Text()
	}
	if p.records = p.one[:]; len(recs) > 1 {
		p.records = make([]record.Record, len(recs))
	}
	check := checks.Get().(*protocol.LockRequest)
	defer checks.Put(check)
	last := len(recs) - 1
	for i, r := range recs {
		headers := p.encode(i, r, &cond, i == last)
		if err := checkHeaders(check, headers); err != nil {
			return nil, malformed(at, i, err)
		}
		if p.id == "" && check.ID != nil {
			p.id = string(check.ID) // it came with the record's own headers
		}
	}
	return p, nil
}

// encode makes the record that is written of r, and returns its headers.
func (p *pending) encode(i int, r *kgo.Record, cond *Cond, last bool) []record.Header {
	var headers []record.Header
	if n := len(r.Headers) + lockHeadersMax; len(p.records) == 1 && len(r.Headers) == 0 {
		headers = p.headers[:0]
	} else {
		headers = make([]record.Header, 0, n)
	}
	for _, h := range r.Headers {
		headers = append(headers, record.Header{Key: h.Key, Value: h.Value})
	}
	if last {
		headers = appendLocks(headers, cond.Basis, cond.Locks, p.values[:0])
	}
	if p.id != "" {
		headers = append(headers, record.Header{Key: protocol.HeaderLockID, Value: []byte(p.id)})
	}
	timestamp := r.Timestamp
	if timestamp.IsZero() {
		timestamp = time.Now()
	}
	p.records[i] = record.Record{Timestamp: timestamp.UnixMilli(), Key: r.Key, Value: r.Value, Headers: headers}
	p.bytes += recordOverheadBytes + len(r.Key) + len(r.Value)
	for _, h := range headers {
		p.bytes += headerOverheadBytes + len(h.Key) + len(h.Value)
	}
	return headers
}

// finish tells the outcome. Nobody of the lane's looks at p any more.
func (p *pending) finish(result Result, err error) {
	done := p.done
	if p.slot != nil {
		<-p.slot
		*p = pending{}
		spares.Put(p)
	}
	done(result, err)
}

// spares are appends that came to their end, to be used again. Only those of
// AppendAsync are: an Append may have left, and still hold its own.
var spares = sync.Pool{New: func() any { return new(pending) }}

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
