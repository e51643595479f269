package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// op is one record that a client wants in the log. Its value names it, so that
// the log alone tells what became of it.
type op struct {
	id        int
	writes    []string // locks
	reads     []string
	basis     protocol.Offset
	key       string
	hasLockID bool // it has a lock-id of its own
	from, to  int  // of a transfer; from < 0: a record without meaning
	amount    int
}

func (o *op) value() string { return fmt.Sprintf("op %d: %d %d %d", o.id, o.from, o.to, o.amount) }

// request is one batch of ops and what is known of its outcome.
type request struct {
	client    *client
	ops       []*op
	lockID    string
	perAppend bool // a verdict per append is wanted
	bytes     []byte
	epoch     protocol.ProducerEpoch
	seq       protocol.Sequence

	asked   bool // at least once
	acked   bool
	base    protocol.Offset
	skipped []conflict.Skipped // of a batch with verdicts
	refusal *protocol.Refusal
}

// client is one writer with one request in flight, tried again until its outcome
// is known. A plain one is an idempotent producer; a banker transfers money
// between accounts under locks, as its view of the log has it; it is an
// idempotent producer or, instead, gives each transfer a lock-id.
type client struct {
	w         *World
	node      int
	banker    bool
	perAppend bool // wants a verdict per append
	pid       protocol.ProducerID
	epoch     protocol.ProducerEpoch
	seq       protocol.Sequence
	leader    int // where it thinks the leader is

	pending *request
	tries   int
	view    view
}

const (
	accounts     = 6
	startBalance = 100
	clientRetry  = 25 * ms
	clientWait   = 150 * ms
)

// view is the state that a banker folds from what it reads.
type view struct {
	next    protocol.Offset // to read
	balance [accounts]int
	waitFor protocol.Offset // it decides again when it has read so far
}

func (c *client) run() {
	c.w.after(c.w.rng.Int64N(c.w.o.ThinkTime)+1, c.run)
	if c.pending == nil && !c.w.closing {
		if c.banker {
			c.transfer()
		} else {
			c.produce()
		}
	}
}

// poll reads on at any broker.
func (c *client) poll() {
	c.w.after(5*ms+c.w.rng.Int64N(c.w.o.PollTime), c.poll)
	from := c.view.next
	b := c.w.randomBroker()
	c.w.net.send(c.node, int(b.id), func() {
		b.onRead(from, func(batches []record.Batch) {
			c.w.net.send(int(b.id), c.node, func() { c.consume(batches) })
		}, func() { c.w.checker.absent(b, from) })
		if c.w.chance(0.2) {
			b.onListOffsets()
		}
	})
}

func (c *client) consume(batches []record.Batch) {
	for _, b := range batches {
		if b.BaseOffset() < c.view.next || b.BaseOffset() > c.view.next && !c.w.o.Compacts {
			continue // an answer that came twice
		}
		if !c.w.bugs.IgnoreCRC && !intact([]record.Batch{b}) {
			c.w.fail("CRC", "a consumer was sent a damaged batch at offset %d", b.BaseOffset())
			return
		}
		c.w.checker.consumed(b)
		c.w.checker.opsOf(b, func(_ protocol.Offset, o *op) { c.view.apply(o) })
		c.view.next = b.NextOffset()
	}
}

func (v *view) apply(o *op) {
	if o != nil && o.from >= 0 {
		v.balance[o.from] -= o.amount
		v.balance[o.to] += o.amount
	}
}

func (c *client) produce() {
	if c.view.next <= c.view.waitFor {
		return
	}
	req := &request{client: c}
	used := map[string]bool{}
	for range 1 + c.w.rng.IntN(3) {
		o := c.w.checker.newOp(c.plainRecord())
		for _, lock := range o.writes {
			if used[lock] {
				o.writes = nil
			}
			used[lock] = true
		}
		req.ops = append(req.ops, o)
	}
	c.begin(req)
}

// plainRecord is a record without meaning. Where logs are compacted, it is one of a few
// rows, and marks a lock that other rows mark too.
func (c *client) plainRecord() *op {
	o := &op{from: -1, basis: protocol.None}
	if c.w.o.Compacts {
		o.key, o.basis = fmt.Sprintf("row-%d", c.w.rng.IntN(2)), c.view.next-1
		if c.w.chance(0.5) {
			o.writes = []string{fmt.Sprintf("index:%d", c.w.rng.IntN(16))}
		}
	}
	return o
}

// transfer decides by the view, which may be old: then the log refuses it.
func (c *client) transfer() {
	if c.view.next <= c.view.waitFor {
		return
	}
	req := &request{client: c, perAppend: c.perAppend}
	n := 1
	if c.pid != protocol.NoProducer && c.w.chance(0.3) {
		n = 2
	}
	if c.perAppend {
		n = 1 + c.w.rng.IntN(4)
	}
	used := map[int]bool{}
	for range n {
		from, to := c.w.rng.IntN(accounts), c.w.rng.IntN(accounts)
		if from == to || !c.perAppend && (used[from] || used[to]) || c.view.balance[from] <= 0 {
			continue
		}
		used[from], used[to] = true, true
		o := &op{from: from, to: to, amount: 1 + c.w.rng.IntN(c.view.balance[from]), basis: c.view.next - 1,
			writes: []string{account(from), account(to)}}
		if c.w.chance(0.2) {
			o.reads = []string{account(c.w.rng.IntN(accounts))}
			o.reads = slices.DeleteFunc(o.reads, func(l string) bool { return slices.Contains(o.writes, l) })
		}
		o.hasLockID = c.perAppend && c.w.chance(0.3)
		req.ops = append(req.ops, c.w.checker.newOp(o))
	}
	if len(req.ops) == 0 {
		return
	}
	if c.pid == protocol.NoProducer {
		req.lockID = fmt.Sprintf("transfer-%d", req.ops[0].id)
	}
	c.begin(req)
}

func account(i int) string { return fmt.Sprintf("acct:%d", i) }

func (c *client) begin(req *request) {
	c.pending, c.tries = req, 0
	c.encode(req)
	c.w.checker.requests = append(c.w.checker.requests, req)
	c.try()
}

// encode makes the bytes, with the client's present epoch and sequence.
func (c *client) encode(req *request) {
	req.epoch, req.seq = c.epoch, c.seq
	b := record.NewBuilder(record.CodecNone)
	if c.pid != protocol.NoProducer {
		b.Producer(c.pid, req.epoch, req.seq)
	}
	for _, o := range req.ops {
		if o.key == "" {
			o.key = fmt.Sprintf("op-%d", o.id)
		}
		b.Add(record.Record{Timestamp: 1, Key: []byte(o.key), Value: []byte(o.value()), Headers: o.headers(req.lockID)})
	}
	bytes, err := b.Build()
	if err != nil {
		panic(err)
	}
	req.bytes = bytes
}

func (o *op) headers(lockID string) (h []record.Header) {
	if o.writes == nil {
		return nil
	}
	h = append(h, record.Header{Key: protocol.HeaderLockWrite, Value: []byte(strings.Join(o.writes, " "))},
		record.Header{Key: protocol.HeaderLockBasis, Value: []byte(o.basis.String())})
	if len(o.reads) > 0 {
		h = append(h, record.Header{Key: protocol.HeaderLockRead, Value: []byte(strings.Join(o.reads, " "))})
	}
	if o.hasLockID {
		lockID = fmt.Sprintf("op-%d", o.id)
	}
	if lockID != "" {
		h = append(h, record.Header{Key: protocol.HeaderLockID, Value: []byte(lockID)})
	}
	return h
}

// try sends the request once more. Brokers place batches in the bytes they get.
func (c *client) try() {
	req, attempt := c.pending, c.tries
	req.asked = true
	b := c.w.brokers[c.leader]
	bytes := slices.Clone(req.bytes)
	c.w.net.send(c.node, int(b.id), func() {
		b.onProduce(req, slices.Clone(bytes), func(a answer) {
			c.w.net.send(int(b.id), c.node, func() { c.answered(req, attempt, a) })
		})
	})
	c.w.after(clientWait, func() { c.retry(req, attempt) })
}

func (c *client) retry(req *request, attempt int) {
	if c.pending != req || c.tries != attempt {
		return
	}
	c.tries++
	c.leader = c.w.guessLeader()
	c.try()
}

func (c *client) answered(req *request, attempt int, a answer) {
	if c.pending != req {
		return
	}
	switch {
	case a.err != nil:
		c.w.after(clientRetry, func() { c.retry(req, attempt) })
	case a.refusal != nil:
		c.pending = nil
		c.view.waitFor = max(c.view.waitFor, a.refusal.Last)
		c.w.checker.refused(req, a.refusal)
	default:
		c.pending = nil
		if c.pid != protocol.NoProducer {
			c.seq += protocol.Sequence(len(req.ops))
		}
		c.w.mark(true, "ack")
		for _, l := range a.skipped {
			if l.Refusal != nil {
				c.view.waitFor = max(c.view.waitFor, l.Refusal.Last)
			}
		}
		c.w.checker.confirmed(req, a)
	}
}
