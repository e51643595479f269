package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// pending is what is left of an append on its way once its records are in a
// batch, which holds it by value. Its outcome is told to one of call and done.
type pending struct {
	ctx     context.Context
	call    *call               // of Append
	done    func(Result, error) // of AppendAsync; must not block
	id      string              // "" when it has no lock-id
	records int32

	// last is why an AppendAsync is not done yet; a call knows it itself.
	last error

	// maybeWritten: a request that carried it may still be executed, and its id will
	// tell. It has been sent, then, even while it waits.
	maybeWritten bool
}

// claim notes that p is sent now. It is not to be if nobody waits for it, or if
// its context ended before it was ever sent.
func (p *pending) claim() bool {
	if !p.maybeWritten && p.ctx.Err() != nil {
		return false
	}
	return p.call == nil || p.call.claim()
}

// expired reports whether take would refuse.
func (p *pending) expired() bool { return !p.maybeWritten && p.ctx.Err() != nil || p.abandoned() }

// abandoned reports whether nobody waits for it.
func (p *pending) abandoned() bool { return p.call != nil && p.call.state.Load() == callAbandoned }

// finish tells the outcome.
func (p *pending) finish(result Result, err error) {
	if p.call != nil {
		p.call.answer <- outcome{result, err}
		return
	}
	p.done(result, err)
}

// finishExpired tells that it was not sent.
func (p *pending) finishExpired() {
	err := p.ctx.Err()
	if err == nil {
		err = ErrClosed
	}
	p.finish(Result{}, &Interruption{Err: err, Last: p.last})
}

// failedOnce notes a failure after which it is tried again.
func (p *pending) failedOnce(err error) {
	if p.call != nil {
		p.call.last.Store(&err)
		return
	}
	p.last = err
}

// finishRefused finishes it with a refusal that counted records in the batch, of
// which its own begin at first.
func (p *pending) finishRefused(at place, first int32, text string) {
	r, ok := protocol.ParseRefusal(text)
	if !ok {
		p.finish(Result{}, fmt.Errorf("the broker refused the append with a text of no known form: %q", text))
		return
	}
	r.Record -= first
	p.finish(Result{}, newError(at.topic, at.partition, &r, text))
}

// headerBuf is memory for the headers that a condition makes, nearly always
// enough, while its append is written.
type headerBuf struct {
	headers [lockHeadersMax]record.Header
	values  [headerBufBytes]byte
}

// headerBufPool holds those that are not in use.
var headerBufPool = sync.Pool{New: func() any { return new(headerBuf) }}

const (
	lockHeadersMax = 5 // one of each kind
	headerBufBytes = 192
)

// prepare makes the lock headers of an append's last record, and of its others
// the last of these, lock-id; and it refuses what no broker would take. The
// locks go with the last record: whoever has read up to there has read the
// whole append. It may give cond an id: that of its only record, or a random
// one, which holds its records together.
func (o *options) prepare(at place, cond *Cond, recs []*kgo.Record, buf *headerBuf) (locks []record.Header, err error) {
	if len(recs) == 0 {
		return nil, errors.New("an append without records")
	}
	if cond.ID == "" && len(recs) > 1 {
		cond.ID = rand.Text()
	}
	locks, plain := appendLocks(buf.headers[:0], buf.values[:0], cond)
	if plain && !attached(recs) {
		return locks, nil
	}
	var id string
	if o.plain {
		id = idOf(recs[len(recs)-1])
	} else {
		id, err = checkRecords(at, cond, recs)
	}
	if cond.ID == "" {
		cond.ID = id // it came with the record's own headers, and stays there
	}
	return locks, err
}

// idOf is the lock-id among a record's own headers; "" if there is none.
func idOf(r *kgo.Record) string {
	for i := range r.Headers {
		if r.Headers[i].Key == protocol.HeaderLockID {
			return string(r.Headers[i].Value)
		}
	}
	return ""
}

// attached reports whether a record has lock headers of its own.
func attached(recs []*kgo.Record) bool {
	for _, r := range recs {
		for i := range r.Headers {
			if strings.HasPrefix(r.Headers[i].Key, protocol.LockPrefix) {
				return true
			}
		}
	}
	return false
}

// checkRecords holds all headers of an append against the grammar, as the
// broker will, so that a mistake of one append costs its neighbours nothing. It
// returns the lock-id.
func checkRecords(at place, cond *Cond, recs []*kgo.Record) (id string, err error) {
	check := lockRequestPool.Get().(*protocol.LockRequest)
	defer lockRequestPool.Put(check)
	locks, _ := appendLocks(nil, nil, cond)
	for i, r := range recs {
		headers := withLocks(nil, r, locks, cond.ID != "", i == len(recs)-1)
		if err := checkHeaders(check, headers); err != nil {
			return "", malformed(at, i, err)
		}
		id = string(check.ID)
	}
	return id, nil
}

// lockRequestPool holds requests to check headers with.
var lockRequestPool = sync.Pool{New: func() any { return new(protocol.LockRequest) }}

// withLocks appends the headers of a record that is written: its own, and those
// of prepare's that are for it.
func withLocks(headers []record.Header, r *kgo.Record, locks []record.Header, id, last bool) []record.Header {
	for i := range r.Headers {
		headers = append(headers, record.Header{Key: r.Headers[i].Key, Value: r.Headers[i].Value})
	}
	switch {
	case last:
		return append(headers, locks...)
	case id:
		return append(headers, locks[len(locks)-1])
	}
	return headers
}

const (
	recordOverheadBytes = 24 // lengths, deltas and a header count, about
	headerOverheadBytes = 4  // two lengths, about
)

// sizeOf is about what an append takes in a batch.
func sizeOf(recs []*kgo.Record, locks []record.Header) (bytes int) {
	for _, r := range recs {
		bytes += recordOverheadBytes + len(r.Key) + len(r.Value)
		for i := range r.Headers {
			bytes += headerOverheadBytes + len(r.Headers[i].Key) + len(r.Headers[i].Value)
		}
	}
	for i := range locks {
		bytes += headerOverheadBytes + len(locks[i].Key) + len(locks[i].Value)
	}
	return bytes + (len(recs)-1)*headerOverheadBytes
}
