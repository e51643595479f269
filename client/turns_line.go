package client

import (
	"slices"
	"time"
)

// line is the views that contend for one lock.
//
//	turn ends ──► last in line ──► ... ──► first ──► writes, goes on ──┐
//	    ▲                                    │  ▲                      │
//	    │                       passed over: │  └──────────────────────┤
//	    │                           it is in no line                   │
//	    └────────────────────────────────────── writes, and ends ──────┘
//
// A view that is passed over while it is first in line wants nothing, and
// leaves the line. One that is not in the line waits for as many turns as there
// are views in line, and then goes; once it has written it is in line.
type line struct {
	members []member // who wrote longest ago comes first, but for who goes on
	turns   int64    // that have ended since the line is known
	last    time.Time
	every   time.Duration // about what lies between two writes
	unread  int           // writes that time has not heard of

	landed time.Time // when this view's last write was committed; zero: it has come back since
	habit  int       // of coming back at once, up to habitMax
}

// member is a view in a line.
type member struct {
	view  string
	run   int // writes that its turn has had; 0: it waits
	more  int // that it will have, as it says
	usual int // writes that its turn before had
}

const (
	viewsMax    = 256 // in a line
	habitMax    = 4
	habitEnough = 2
	habitLost   = 2 // by not coming back at once
)

// wrote notes a write: of a view, whose turn will have so many more, or of
// somebody who takes no turns.
func (l *line) wrote(by string, more int) {
	l.unread++
	if by == "" {
		l.turns++
		return
	}
	m := member{view: by}
	if at := l.index(by); at >= 0 {
		m = l.members[at]
		l.members = slices.Delete(l.members, 0, at+1) // those before it were passed over
	}
	m.run++
	room := len(l.members) < viewsMax
	if m.more = max(0, min(more, turnWrites-m.run)); m.more > 0 && room {
		l.members = slices.Insert(l.members, 0, m)
		return
	}
	l.turns++
	m.usual, m.run = m.run, 0
	if room {
		l.members = append(l.members, m)
	}
}

// ahead is how many writes the first in line will make: what they have said, or
// what they made before.
func (l *line) ahead(views int) (writes int) {
	for _, m := range l.members[:min(views, len(l.members))] {
		if m.run > 0 {
			writes += m.more
		} else {
			writes += m.usual
		}
	}
	return writes
}

// untilTold is how many writes it takes until the view at a place has to hear of
// one: the first of the turn before its own, or the last.
func (l *line) untilTold(place int) int {
	if place > 1 {
		return l.ahead(place-1) + 1
	}
	return max(1, l.members[0].more)
}

// wants notes that this view, whose appends take pace, wants to write.
func (l *line) wants(pace time.Duration, now time.Time) {
	switch {
	case l.landed.IsZero():
		return
	case now.Sub(l.landed) <= pace:
		l.habit = min(l.habit+1, habitMax)
	default:
		l.habit = max(l.habit-habitLost, 0)
	}
	l.landed = time.Time{}
}

// time notes when the writes were read.
func (l *line) time(now time.Time) {
	if l.unread == 0 {
		return
	}
	n := time.Duration(l.unread)
	l.every += (min(now.Sub(l.last)/n, paceMax) - l.every) * min(n, paceOver) / paceOver
	l.last, l.unread = now, 0
}

// paceOver is how many writes count for the time between them.
const paceOver = 16

func (l *line) index(view string) int {
	return slices.IndexFunc(l.members, func(m member) bool { return m.view == view })
}

// place is how many are before a view, or turns if it has no place of its own.
func (l *line) place(view string, until int64) int {
	if at := l.index(view); at >= 0 {
		return at
	}
	return int(max(0, until-l.turns))
}

// turnLength is how many writes a view's turn has had.
func (l *line) turnLength(view string) int {
	if at := l.index(view); at >= 0 {
		return l.members[at].run
	}
	return 0
}
