package check

import (
	"fmt"
	"slices"
)

// judge finds admissions of one append that should have been refusals.
func (l *Log) judge(records []Record) []string {
	var wrong []string
	for _, r := range records {
		for _, item := range slices.Concat(r.Header.Write, r.Header.Read) {
			if last := l.lastOf(item.Lock); last > item.Basis {
				wrong = append(wrong, fmt.Sprintf("%v: offset %d was admitted on basis %d though %q was written at %d", l.At, r.Offset, item.Basis, item.Lock, last))
			}
		}
	}
	return wrong
}

func (l *Log) lastOf(lock string) int64 {
	if lock == "*" {
		return l.all
	}
	if last, ok := l.last[lock]; ok {
		return last
	}
	return none
}

// Refusals finds refusals that the log does not justify: the record cited must
// be there, name the lock, lie behind the basis, and have the id that was told.
func (l *Log) Refusals(history []Append) []string {
	var wrong []string
	for _, a := range history {
		if a.At != l.At || a.Outcome != Refused {
			continue
		}
		if why := l.unjustified(a.Cited); why != "" {
			wrong = append(wrong, fmt.Sprintf("%v: %s was refused without reason, %s: %s", l.At, a.Writer, why, a.Cited.Text))
		}
	}
	return wrong
}

func (l *Log) unjustified(c *Citation) string {
	r, ok := l.Find(c.Last)
	switch {
	case !ok:
		return fmt.Sprintf("for the log has no offset %d", c.Last)
	case c.Last <= c.Basis:
		return fmt.Sprintf("for offset %d is not behind basis %d", c.Last, c.Basis)
	case c.By != r.Header.ID:
		return fmt.Sprintf("for offset %d was written by %q", c.Last, r.Header.ID)
	case c.Lock != "*" && !marks(r, c.Lock):
		return fmt.Sprintf("for offset %d does not name the lock", c.Last)
	}
	return ""
}

func marks(r Record, lock string) bool {
	named := func(i Item) bool { return i.Lock == lock }
	return slices.ContainsFunc(r.Header.Write, named) || slices.ContainsFunc(r.Header.Append, named)
}
