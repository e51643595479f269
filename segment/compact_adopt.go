package segment

import "slices"

// Adopt makes what Next has made a part of the log, in place of what it was
// made of. It costs a sync and a manifest. If those segments are gone meanwhile,
// nothing happens but ErrCompactionStale; any other error is final.
func (l *Log) Adopt(c *Compaction) error {
	if err := l.usable(); err != nil {
		return err
	}
	r := c.made
	at := l.w.state.placeOf(r.of)
	if at < 0 {
		return ErrCompactionStale
	}
	c.made = nil
	s := &l.w.state
	s.compacted = max(s.compacted, min(c.until, r.of[len(r.of)-1].next))
	if r.same { // the next manifest will do
		s.setSealed(slices.Clone(s.sealed))
		s.sealed[at].held = r.out.held
		l.publish()
		return nil
	}
	return l.fail("adopt a compacted segment", l.swap(r, at))
}

// swap puts the new segment in the place of the old ones. The manifest goes
// first: old files that a crash leaves behind lie below what it says was
// compacted, or are of an edition that it does not name.
func (l *Log) swap(r *rewriting, at int) error {
	s := &l.w.state
	var left []extent
	if r.out.size > 0 {
		left = []extent{r.out}
	}
	s.setSealed(slices.Concat(s.sealed[:at], left, s.sealed[at+len(r.of):]))
	s.generation++
	if err := l.persist(); err != nil {
		return err
	}
	l.publish()
	for _, x := range r.of {
		if err := l.removeSegment(x.segment); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) removeSegment(s *segment) error {
	if err := l.remove(logName(s)); err != nil {
		return err
	}
	return l.remove(indexName(s))
}
