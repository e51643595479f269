package txn

// InitRequest asks for a producer. ID and Epoch say who it was so far (KIP-360);
// None and -1 if it was nobody, which fences whoever has the transactional id.
type InitRequest struct {
	TransactionalID string
	TimeoutMs       int32
	Producer        Producer
}

// Init handles an InitProducerId with a transactional id. ErrConcurrent may come
// with effects: then an open transaction is being aborted, and the client tries
// again.
func (c *Coordinator) Init(now int64, r InitRequest) (Producer, Effects, error) {
	known := r.Producer.ID != None
	switch {
	case r.TransactionalID == "", known != (r.Producer.Epoch != noEpoch):
		return Producer{}, Effects{}, ErrInvalidRequest
	case r.TimeoutMs <= 0, r.TimeoutMs > c.cfg.TimeoutMaxMs:
		return Producer{}, Effects{}, ErrInvalidTimeout
	}
	t := c.byID[r.TransactionalID]
	if t == nil {
		return c.create(now, r)
	}
	switch {
	case t.state.ending():
		return Producer{}, Effects{}, ErrConcurrent
	case t.state == Ongoing && known && r.Producer != t.producer:
		return Producer{}, Effects{}, ErrFenced // Kafka would abort it first: a zombie ends nobody's transaction here
	case t.state == Ongoing:
		c.fence(now, t)
		return Producer{}, c.take(), ErrConcurrent
	}
	if err := c.renew(t, r.Producer); err != nil {
		return Producer{}, Effects{}, err
	}
	t.timeoutMs, t.state, t.startMs, t.bumps = r.TimeoutMs, Empty, -1, false
	c.write(now, t)
	return t.producer, c.take(), nil
}

// create makes a transactional id, whoever the client says that it was.
func (c *Coordinator) create(now int64, r InitRequest) (Producer, Effects, error) {
	if len(c.byID) >= c.cfg.TransactionsMax {
		return Producer{}, Effects{}, ErrTooMany
	}
	id, err := c.producerID()
	if err != nil {
		return Producer{}, Effects{}, err
	}
	t := &transaction{
		id: r.TransactionalID, producer: Producer{id, 0}, previous: None, next: None, lastEpoch: noEpoch,
		timeoutMs: r.TimeoutMs, startMs: -1,
	}
	c.byID[t.id] = t
	c.write(now, t)
	return t.producer, c.take(), nil
}

// renew raises the epoch of an idle producer. One that says who it was is told
// the same again if it asks again.
func (c *Coordinator) renew(t *transaction, was Producer) error {
	last := noEpoch
	switch {
	case was.ID == None:
	case was == t.producer:
		last = was.Epoch
	case was.Epoch == t.lastEpoch && (was.ID == t.producer.ID || was.ID == t.previous && was.Epoch >= exhausted):
		return nil
	default:
		return ErrFenced
	}
	if t.producer.Epoch < exhausted {
		t.producer.Epoch++
		t.lastEpoch = last
		return nil
	}
	id, err := c.producerID()
	if err != nil {
		return err
	}
	t.previous, t.producer, t.lastEpoch = t.producer.ID, Producer{id, 0}, last
	return nil
}
