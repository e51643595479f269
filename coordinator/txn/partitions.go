package txn

// AddRequest adds partitions to a transaction, and begins it if it is not open.
type AddRequest struct {
	TransactionalID string
	Producer        Producer
	Partitions      []Partition
	// Implicit: a Produce or TxnOffsetCommit adds them, by a client of transaction
	// version 2. Otherwise it is an AddPartitionsToTxn or AddOffsetsToTxn.
	Implicit bool
}

// Add handles what puts partitions into a transaction. That the caller may write
// to them, and that they exist, is the driver's to check.
func (c *Coordinator) Add(now int64, r AddRequest) (Effects, error) {
	t, err := c.owned(r.TransactionalID, r.Producer)
	switch {
	case err != nil:
		return Effects{}, err
	case t.state.ending():
		return Effects{}, ErrConcurrent
	}
	news := 0
	for _, p := range r.Partitions {
		if !t.partitions[p] {
			news++
		}
	}
	switch {
	case news == 0:
		return Effects{}, nil
	case len(t.partitions)+news > c.cfg.PartitionsMax:
		return Effects{}, ErrInvalidRequest
	}
	if t.state != Ongoing {
		t.state, t.startMs, t.bumps, t.partitions = Ongoing, now, r.Implicit, make(map[Partition]bool)
		c.arm(t)
	}
	for _, p := range r.Partitions {
		t.partitions[p] = true
	}
	c.write(now, t)
	return c.take(), nil
}

// Verify says of each partition whether the open transaction has it: nil, or
// ErrAbortable. An error for all is the producer's.
func (c *Coordinator) Verify(id string, p Producer, partitions []Partition) ([]error, error) {
	t, err := c.owned(id, p)
	switch {
	case err != nil:
		return nil, err
	case t.state.ending():
		return nil, ErrConcurrent
	}
	errs := make([]error, len(partitions))
	for i, p := range partitions {
		if t.state != Ongoing || !t.partitions[p] {
			errs[i] = ErrAbortable
		}
	}
	return errs, nil
}

// owned finds the transaction of a producer that has it now.
func (c *Coordinator) owned(id string, p Producer) (*transaction, error) {
	if id == "" {
		return nil, ErrInvalidRequest
	}
	switch t := c.byID[id]; {
	case t == nil, t.producer.ID != p.ID:
		return nil, ErrMapping
	case t.producer.Epoch != p.Epoch:
		return nil, ErrFenced
	default:
		return t, nil
	}
}
