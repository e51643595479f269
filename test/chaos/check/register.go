package check

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	// WindowMax is how many operations a window may have: a violation among more
	// takes porcupine minutes to prove.
	WindowMax    = 100
	proveTimeout = 30 * time.Second
)

// move is a conditional write of one lock, or the refusal of one.
type move struct {
	basis   int64
	offset  int64 // of an admitted one
	refused bool
	last    int64 // as the refusal cited
}

// register is a lock's newest offset: a write is admitted if and only if nothing
// lies behind its basis, and a refusal cites what lies there.
var register = porcupine.Model{
	Init: func() any { return none },
	Step: func(state, input, _ any) (bool, any) {
		last, m := state.(int64), input.(move)
		if m.refused {
			return m.last > m.basis && m.last <= last, last
		}
		return last <= m.basis && m.offset > last, m.offset
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
}

// Register asks porcupine whether the conditional writes of one lock on a
// partition were as if done one after the other. Before is the lock's newest
// offset when the window began, with nothing in flight; what was left unknown is
// resolved from the log.
func (l *Log) Register(before int64, window []Append) []string {
	model := register
	model.Init = func() any { return before }
	ops, end := []porcupine.Operation{}, time.Duration(0)
	for _, a := range window {
		end = max(end, a.Returned)
	}
	for _, a := range window {
		m := move{basis: a.Basis, offset: a.Offset}
		returned := a.Returned
		switch offset, there := l.Where(a.Values[0]); {
		case a.Outcome == Refused:
			m.refused, m.last = true, a.Cited.Last
		case a.Outcome != Acked && !there:
			continue // it never happened
		case a.Outcome != Acked:
			m.offset, returned = offset, end+1
		}
		ops = append(ops, porcupine.Operation{Input: m, Call: int64(a.Invoked), Return: int64(returned)})
	}
	if len(ops) > WindowMax {
		return []string{fmt.Sprintf("%v: a window of %d operations, of %d at most", l.At, len(ops), WindowMax)}
	}
	if result := porcupine.CheckOperationsTimeout(model, ops, proveTimeout); result != porcupine.Ok {
		return []string{fmt.Sprintf("%v: %d conditional writes from offset %d on are not linearizable (%s)", l.At, len(ops), before, result)}
	}
	return nil
}
