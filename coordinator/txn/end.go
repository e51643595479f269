package txn

import "maps"

// EndRequest ends a transaction.
type EndRequest struct {
	TransactionalID string
	Producer        Producer
	Commit          bool
	// Bumps: the client takes a new epoch from the answer (EndTxn v5, transaction
	// version 2).
	Bumps bool
	Call  CallID
}

// End handles an EndTxn. With done, the answer is the producer or the error, to
// be sent when the records are committed; without, a Reply with the request's
// Call comes when the markers are in their logs.
func (c *Coordinator) End(now int64, r EndRequest) (p Producer, done bool, fx Effects, err error) {
	t, again, err := c.ending(&r)
	if err != nil {
		return Producer{}, true, Effects{}, err
	}
	switch begin, err := t.mayEnd(&r, again); {
	case err != nil:
		return Producer{}, true, Effects{}, err
	case !begin:
		return t.producer, true, Effects{}, nil // it has ended that way, and its client has not heard
	}
	if r.Commit && !c.whole(t) {
		return Producer{}, true, Effects{}, ErrAbortable
	}
	bumps := r.Bumps || t.bumps
	if bumps {
		if err := c.raise(t); err != nil {
			return Producer{}, true, Effects{}, err
		}
	}
	if t.state != Ongoing {
		t.startMs, t.partitions = now, nil // an abort of nothing, for the epoch
	}
	c.prepare(now, t, r.Commit)
	if !t.state.ending() {
		return t.producer, true, c.take(), nil
	}
	t.calls = append(t.calls, r.Call)
	return Producer{}, false, c.take(), nil
}

// ending finds the transaction that a request ends. Again is true for one that
// names the epoch before: its answer was lost, perhaps.
func (c *Coordinator) ending(r *EndRequest) (t *transaction, again bool, err error) {
	if r.TransactionalID == "" {
		return nil, false, ErrInvalidRequest
	}
	t = c.byID[r.TransactionalID]
	if t == nil {
		return nil, false, ErrMapping
	}
	// The end of before raised the epoch: who still names the old one did not hear of it.
	known := r.Bumps && r.Producer.Epoch == t.lastEpoch && t.lastEpoch != noEpoch
	switch {
	// The epochs of the old id were used up, and a new id was given.
	case known && r.Producer.ID == t.previous && r.Producer.Epoch >= exhausted && t.producer.Epoch == 0:
		return t, true, nil
	case r.Producer.ID != t.producer.ID:
		return nil, false, ErrMapping
	case r.Producer.Epoch == t.producer.Epoch:
		return t, false, nil
	case known && t.producer.Epoch == r.Producer.Epoch+1:
		return t, true, nil
	}
	return nil, false, ErrFenced
}

// mayEnd is the table of what an EndTxn means in each state: begin the end, or
// nothing more to do, or an error.
func (t *transaction) mayEnd(r *EndRequest, again bool) (begin bool, err error) {
	done := CompleteAbort
	if r.Commit {
		done = CompleteCommit
	}
	switch t.state {
	case Ongoing:
		if again {
			return false, ErrFenced // a newer transaction of this producer is none of the request's
		}
		return true, nil
	case PrepareCommit, PrepareAbort:
		if (t.state == PrepareCommit) == r.Commit {
			return false, ErrConcurrent
		}
		return false, ErrInvalidState
	}
	switch {
	case t.state == done && (again || !r.Bumps):
		return false, nil
	case !r.Commit && r.Bumps && !again:
		return true, nil
	}
	return false, ErrInvalidState
}

// whole reports whether all that the transaction has written is still there.
func (c *Coordinator) whole(t *transaction) bool {
	for p := range t.partitions {
		if !c.topics.Exists(p) {
			return false
		}
	}
	return true
}

// raise gives the producer its next epoch, to be in the markers already. Of an
// exhausted one the end of the transaction makes a new producer.
func (c *Coordinator) raise(t *transaction) error {
	if t.producer.Epoch >= exhausted {
		next, err := c.producerID()
		if err != nil {
			return err
		}
		t.next = next
	}
	t.lastEpoch = t.producer.Epoch
	t.producer.Epoch++
	return nil
}

// Abort ends a transaction for somebody who is not its producer, and fences that.
// With done there is nothing to wait for: no transaction was open, or the id is not
// known. Without, a Reply comes as to an EndTxn; of an end that is under way
// already, be it a commit, it is that end's.
func (c *Coordinator) Abort(now int64, id string, call CallID) (p Producer, done bool, fx Effects, err error) {
	t := c.byID[id]
	switch {
	case t == nil:
		return Producer{}, true, Effects{}, ErrNotFound
	case t.state == Ongoing:
		c.fence(now, t)
	}
	if !t.state.ending() {
		return t.producer, true, c.take(), nil
	}
	t.calls = append(t.calls, call)
	return Producer{}, false, c.take(), nil
}

// fence aborts an open transaction and takes it from its producer, who may still
// be told its new epoch if it says who it was. Without a spare producer id, an
// exhausted one is replaced by the next InitProducerId.
func (c *Coordinator) fence(now int64, t *transaction) {
	if t.producer.Epoch >= exhausted && len(c.spare) > 0 {
		t.next, c.spare = c.spare[0], c.spare[1:]
	}
	t.lastEpoch = t.producer.Epoch
	t.producer.Epoch++
	c.prepare(now, t, false)
}

// prepare logs the end, and asks for the markers.
func (c *Coordinator) prepare(now int64, t *transaction, commit bool) {
	c.timers.Stop(&t.timer)
	t.state = PrepareAbort
	if commit {
		t.state = PrepareCommit
	}
	t.number++
	c.write(now, t)
	c.mark(now, t)
}

// mark asks for a marker in every partition that is still there.
func (c *Coordinator) mark(now int64, t *transaction) {
	t.unmarked = maps.Clone(t.partitions)
	maps.DeleteFunc(t.unmarked, func(p Partition, _ bool) bool { return !c.topics.Exists(p) })
	if c.completeIfMarked(now, t) {
		return
	}
	c.fx.Markers = append(c.fx.Markers, Markers{t.id, t.producer, t.number, t.state == PrepareCommit, sorted(t.unmarked)})
}

// Marked tells that markers are in their partitions' logs, committed there.
func (c *Coordinator) Marked(now int64, m Markers) Effects {
	t := c.byID[m.TransactionalID]
	if t == nil || !t.state.ending() || t.number != m.Number {
		return Effects{}
	}
	for _, p := range m.Partitions {
		delete(t.unmarked, p)
	}
	c.completeIfMarked(now, t)
	return c.take()
}

// completeIfMarked ends the end. The record need not be committed before the
// answer: until it is, whoever coordinates next writes the markers again and
// lets no transaction begin; and a record of the next transaction is behind it.
func (c *Coordinator) completeIfMarked(now int64, t *transaction) bool {
	if len(t.unmarked) > 0 {
		return false
	}
	t.unmarked, t.partitions = nil, nil
	if t.next != None {
		t.previous, t.producer, t.next = t.producer.ID, Producer{t.next, 0}, None
	}
	if t.state == PrepareCommit {
		t.state = CompleteCommit
	} else {
		t.state = CompleteAbort
	}
	c.write(now, t)
	for _, call := range t.calls {
		c.fx.Replies = append(c.fx.Replies, Reply{call, t.producer, nil})
	}
	t.calls = nil
	return true
}
