package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// intent is what one transaction, or one append outside of any, rests on.
type intent struct {
	reads []txnRead
	parts map[int]bool // that it has written to, as far as it was told
	told  bool         // that it is committed
}

// txnRead is a lock that was looked at, with all up to the basis read.
type txnRead struct {
	part  int
	lock  string
	basis protocol.Offset
}

// txnSend is one batch of one record.
type txnSend struct {
	part                 int
	tag                  string
	producer             protocol.ProducerID
	writes, reads, blind []string
	basis                protocol.Offset
}

// txnClient has one transactional id, and its coordinator's memory of it.
type txnClient struct {
	w     *txnWorld
	id    protocol.ProducerID
	rises bool // its epoch rises with each transaction, as in protocol 2

	epoch   protocol.ProducerEpoch
	number  int64
	next    []protocol.Sequence
	named   []bool       // partitions of the open transaction
	partial map[int]bool // partitions whose marker is still to be written
	commit  bool

	plan    []txnSend
	at      int // of plan
	tag     string
	tries   int
	serial  int
	pending *replica.Proposal // that nobody has answered: its batch is sent again
}

// ending reports whether a producer's transaction is being ended.
func (w *txnWorld) ending(id protocol.ProducerID) bool {
	for _, c := range w.clients {
		if c.id == id {
			return len(c.partial) > 0
		}
	}
	return false
}

func (c *txnClient) step() {
	switch {
	case len(c.partial) > 0:
		c.mark()
	case c.w.rng.IntN(60) == 0 && slices.Contains(c.named, true):
		c.end(false) // its time is up
	case c.plan == nil:
		c.begin()
	case c.at < len(c.plan):
		c.send()
	default:
		c.end(c.w.rng.IntN(6) > 0)
	}
}

// finish ends what is open, and reports whether nothing is.
func (c *txnClient) finish() bool {
	switch {
	case len(c.partial) > 0:
		c.mark()
	case slices.Contains(c.named, true):
		c.end(false)
	default:
		return true
	}
	return false
}

// begin draws what the next transaction does, or tries the last one again.
func (c *txnClient) begin() {
	if c.tries == 0 {
		c.plan = c.w.draw()
	}
	c.tag, c.at, c.pending = fmt.Sprintf("t%d/%d", c.id, c.serial), 0, nil
	c.serial++
	c.w.intents[c.tag] = &intent{parts: map[int]bool{}}
}

// draw is one batch in each of some partitions.
func (w *txnWorld) draw() (plan []txnSend) {
	for _, part := range w.rng.Perm(len(w.parts))[:2] {
		lock := func() []string { return []string{fmt.Sprint("l", w.rng.IntN(txnLocks))} }
		s := txnSend{part: part}
		switch w.rng.IntN(5) {
		case 0:
			s.reads = lock()
		case 1:
			s.blind = lock()
		default:
			s.writes = lock()
		}
		plan = append(plan, s)
	}
	if w.rng.IntN(4) == 0 { // once more into the first
		s := plan[0]
		plan = append(plan, s)
	}
	return plan
}

// batch builds the record of a send.
func (s *txnSend) batch(b *record.Builder) (record.Batch, error) {
	r := record.Record{Key: []byte("k"), Value: []byte(s.tag), Timestamp: 1}
	add := func(name string, locks []string) {
		if len(locks) > 0 {
			r.Headers = append(r.Headers, record.Header{Key: name, Value: []byte(strings.Join(locks, " "))})
		}
	}
	add(protocol.HeaderLockWrite, s.writes)
	add(protocol.HeaderLockRead, s.reads)
	add(protocol.HeaderLockAppend, s.blind)
	if len(s.writes)+len(s.reads) > 0 {
		r.Headers = append(r.Headers, record.Header{Key: protocol.HeaderLockBasis, Value: []byte(s.basis.String())})
	}
	raw, err := b.Add(r).Build()
	if err != nil {
		return record.Batch{}, err
	}
	return record.Parse(raw, record.Limits{})
}

// send sends the next batch. The state that it rests on is what is stable now.
func (c *txnClient) send() {
	w, s := c.w, c.plan[c.at]
	p := w.parts[s.part]
	s.tag, s.producer, s.basis = c.tag, c.id, p.m.LastStable()-1
	in := w.intents[c.tag]
	guard := len(s.writes)+len(s.blind) == 0
	if c.pending == nil {
		for _, lock := range slices.Concat(s.writes, s.reads) {
			in.reads = append(in.reads, txnRead{s.part, lock, s.basis})
		}
		if w.bugs.GuardLeftOut && guard && c.tries > 0 {
			c.at++
			return
		}
		b := record.NewBuilder(record.CodecNone).Producer(c.id, c.epoch, c.next[s.part]).Transactional()
		batch, err := s.batch(b)
		if err != nil {
			w.fail("build a batch: %w", err)
			return
		}
		ended := p.m.Transactions().State(c.id).Ended
		c.named[s.part] = true
		c.pending = &replica.Proposal{Batch: batch, Joins: &ended, FirstAtZero: c.rises}
	}
	q := *c.pending
	q.Batch = cloned(q.Batch)
	w.keepCopy(p, &q, s)
	r := p.propose(&q, &s)
	switch {
	case r == nil: // nobody knows: it is sent again
	case r.Refusal != nil:
		c.pending = nil
		c.tries = min(c.tries+1, 5)
		c.end(false)
	case errors.Is(r.Err, replica.ErrNotLeader):
	case r.Err != nil:
		c.w.fail("a good batch of %s is answered with %w", c.tag, r.Err)
	default:
		c.pending = nil
		c.next[s.part]++
		in.parts[s.part] = true
		c.at++
	}
}

// keepCopy has the network deliver a batch once more, some day.
func (w *txnWorld) keepCopy(p *txnPart, q *replica.Proposal, s txnSend) {
	if w.rng.IntN(5) > 0 {
		return
	}
	again := *q
	again.Batch = cloned(q.Batch)
	w.late = append(w.late, func() { p.propose(&again, &s) })
}

func cloned(b record.Batch) record.Batch {
	own, _, err := record.View(slices.Clone(b.Bytes()))
	if err != nil {
		panic(err)
	}
	return own
}

// end decides the transaction, and asks for its markers.
func (c *txnClient) end(commit bool) {
	c.number++
	if c.commit = commit; c.rises || !commit {
		c.epoch++
		clear(c.next)
	}
	for i, named := range c.named {
		if named {
			c.partial[i] = true
		}
	}
	clear(c.named)
	c.pending = nil
	if !commit && c.at < len(c.plan) && c.tries > 0 {
		c.at = 0
	}
	if len(c.partial) == 0 {
		c.ended()
	}
}

// mark writes one marker that is missing.
func (c *txnClient) mark() {
	for i := range c.w.parts {
		if !c.partial[i] || c.w.rng.IntN(2) == 0 {
			continue
		}
		p := c.w.parts[i]
		k := replica.Marker{Producer: c.id, Epoch: c.epoch, Commit: c.commit, Number: c.number}
		if c.w.rng.IntN(4) == 0 {
			c.w.late = append(c.w.late, func() {
				if c.w.bugs.MarkerTwice {
					k.Epoch = c.epoch
				}
				p.propose(&replica.Proposal{Batch: k.Batch(1), Marker: &k}, nil)
			})
		}
		r := p.propose(&replica.Proposal{Batch: k.Batch(1), Marker: &k}, nil)
		if r != nil && r.Err == nil {
			delete(c.partial, i)
		} else if r != nil && !errors.Is(r.Err, replica.ErrNotLeader) {
			c.w.fail("a marker of %s is answered with %w", c.tag, r.Err)
		}
	}
	if len(c.partial) == 0 {
		c.ended()
	}
}

// ended is told that all markers are written.
func (c *txnClient) ended() {
	if in := c.w.intents[c.tag]; in != nil {
		in.told = c.commit
	}
	if c.commit || c.tries == 0 || c.tries >= 5 {
		c.tries = 0
	}
	if c.tries == 0 {
		c.plan = nil
		return
	}
	c.begin()
}

// plain is one conditional append outside of transactions.
func (w *txnWorld) plain() {
	s := w.draw()[0]
	p := w.parts[s.part]
	s.tag, s.producer, s.basis = fmt.Sprintf("p%d", len(w.intents)), protocol.NoProducer, p.m.LastStable()-1
	if w.rng.IntN(3) == 0 {
		s.basis = max(protocol.None, s.basis-protocol.Offset(w.rng.IntN(4)))
	}
	in := &intent{parts: map[int]bool{}}
	for _, lock := range slices.Concat(s.writes, s.reads) {
		in.reads = append(in.reads, txnRead{s.part, lock, s.basis})
	}
	w.intents[s.tag] = in
	batch, err := s.batch(record.NewBuilder(record.CodecNone))
	if err != nil {
		w.fail("build a batch: %w", err)
		return
	}
	p.propose(&replica.Proposal{Batch: batch}, &s)
}
