package client

import "time"

// reading is how a view reads on: after a rest, and when there are some writes
// more. While it rests or waits for more than one it is blind: that nothing comes
// does not say that nobody writes.
type reading struct {
	rest   time.Duration
	writes int           // to be answered with at least; 0: to be asked anew after the rest
	within time.Duration // with what there is in the millisecond after that, if writes is more than 1
}

const (
	restMax = 20 * time.Millisecond
	// timerLate is how late a timer may be in a process that has nothing else to
	// do: its runtime waits for the network by the millisecond.
	timerLate = time.Millisecond
)

var readOn = reading{writes: 1}

func (r reading) blind() bool { return r.rest > 0 || r.writes > 1 }

// sooner is what serves both.
func (r reading) sooner(o reading) reading {
	return reading{min(r.rest, o.rest), min(r.writes, o.writes), min(r.within, o.within)}
}

// reading is how this view reads while it waits for its turn. Of the turn before
// its own it wants to hear the first write, which tells how long it is, and then
// the last. Of the others it need not hear one by one: an answer costs as much as
// a write. So it rests for the greater part of what they should take, and then has
// the broker wait for what is left of them.
func (t *turns) reading(lock string, until int64, now time.Time) reading {
	l := t.lines[lock]
	if l == nil || len(l.members) == 0 {
		return readOn
	}
	place := l.place(t.self, until)
	if place <= 0 {
		return reading{rest: t.lull()}
	}
	due := t.wait(lock, until, now)
	if due == 0 {
		return readOn
	}
	r := reading{writes: l.untilTold(place)}
	r.within = min(due, l.every*time.Duration(r.writes))
	if rest := min(restMax, r.within*2/3) - timerLate; rest >= timerLate {
		r.rest = rest
		r.within -= rest
	}
	return r
}

// lull is how long a view that has written, or may, is left to write again before
// it reads on.
func (t *turns) lull() time.Duration { return min(restMax, 2*t.pace) }
