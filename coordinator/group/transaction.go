package group

import (
	"maps"
	"slices"
)

// Producer is who commits offsets in a transaction.
type Producer struct {
	ID    int64
	Epoch int16
}

// undecided is an offset in a transaction whose marker has not come. It counts
// from the marker on, in the place in which it was written: what was written for
// the same partition behind it stands, whatever is decided first.
type undecided struct {
	Offset
	order      uint64 // rises with each undecided offset of the log
	superseded bool   // what stands was written behind it
}

// CommitInTransaction handles a TxnOffsetCommit, as Commit does an OffsetCommit. The
// records of its effects belong to the producer's transaction, and what they say
// stays undecided until EndTransaction.
func (c *Coordinator) CommitInTransaction(now int64, r CommitRequest, by Producer) ([]error, Effects, error) {
	g, err := c.committingInTransaction(now, &r)
	if err != nil {
		return nil, Effects{}, err
	}
	errs := make([]error, len(r.Offsets))
	for i := range r.Offsets {
		o := &r.Offsets[i]
		if errs[i] = c.checkMetadata(o); errs[i] != nil {
			continue
		}
		stored := Offset{o.Offset, o.LeaderEpoch, o.Metadata, now, -1}
		c.putUndecided(by.ID, g, o.TopicPartition, stored)
		c.append(Record{offsetKey(g.id, o.TopicPartition), offsetValue(stored)})
	}
	c.removeIfEmpty(g)
	fx := c.take()
	fx.Transaction = &by
	return errs, fx, nil
}

// committingInTransaction finds the group and holds the writer against it. Who says
// nothing of members is always taken: its transactional id fences it.
func (c *Coordinator) committingInTransaction(now int64, r *CommitRequest) (*group, error) {
	if err := c.checkID(r.Group); err != nil {
		return nil, err
	}
	g := c.groups[r.Group]
	switch {
	case g == nil && r.Generation >= 0:
		return nil, ErrIllegalGeneration
	case g == nil:
		return c.obtain(r.Group, now)
	case r.Generation < 0 && (r.Member == "" && r.Instance == "" || g.status() == Empty):
		return g, nil
	case g.modern != nil:
		m, err := g.modern.member(r.Member, "")
		if err == nil && m.epoch != r.Generation {
			err = ErrIllegalGeneration
		}
		return g, err
	}
	m, err := g.member(r.Member, r.Instance)
	switch {
	case err != nil:
		return nil, err
	case r.Generation != g.generation:
		return nil, ErrIllegalGeneration
	}
	if !m.fresh {
		c.resetSession(m, now)
	}
	return g, nil
}

// putUndecided notes an offset of an open transaction.
func (c *Coordinator) putUndecided(producer int64, g *group, tp TopicPartition, o Offset) {
	if g.undecided == nil {
		g.undecided = make(map[int64]map[TopicPartition]undecided)
	}
	if g.undecided[producer] == nil {
		g.undecided[producer] = make(map[TopicPartition]undecided)
	}
	c.undecidedOrder++
	g.undecided[producer][tp] = undecided{Offset: o, order: c.undecidedOrder}
	if c.transactions[producer] == nil {
		c.transactions[producer] = make(map[string]bool)
	}
	c.transactions[producer][g.id] = true
}

// EndTransaction decides the offsets of a producer's transaction, whose marker is in
// the log. One that has none here is no error.
func (c *Coordinator) EndTransaction(producer int64, commit bool) {
	for _, id := range slices.Sorted(maps.Keys(c.transactions[producer])) {
		g := c.groups[id]
		if g == nil {
			continue
		}
		decided := g.undecided[producer]
		delete(g.undecided, producer)
		for tp, o := range decided {
			if !commit || o.superseded {
				continue
			}
			g.supersede(tp, o.order)
			g.put(tp, o.Offset)
		}
		c.removeIfEmpty(g)
	}
	delete(c.transactions, producer)
}

// supersede notes that what stands for a partition was written behind those of its
// undecided offsets that are older.
func (g *group) supersede(tp TopicPartition, newer uint64) {
	for _, offsets := range g.undecided {
		if o, ok := offsets[tp]; ok && o.order < newer {
			o.superseded = true
			offsets[tp] = o
		}
	}
}

// isUndecided reports whether an open transaction has an offset for a partition.
func (g *group) isUndecided(tp TopicPartition) bool {
	for _, offsets := range g.undecided {
		if _, ok := offsets[tp]; ok {
			return true
		}
	}
	return false
}

// withUndecided adds the partitions for which open transactions have offsets.
func (g *group) withUndecided(committed []TopicPartition) []TopicPartition {
	for _, offsets := range g.undecided {
		for tp := range offsets {
			if _, has := g.offsets[tp]; !has && !slices.Contains(committed, tp) {
				committed = append(committed, tp)
			}
		}
	}
	return sortedPartitions(committed)
}
