package client

import (
	"bytes"
	crand "crypto/rand"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
)

// turns tells the views that contend for a lock who goes next. Nobody sends
// anything for it: they all read the same log, and the log says who wrote the
// lock when. Whoever wrote it longest ago goes next; the others wait for that
// write, and only if it does not come, for a time that grows with their place
// in line. So the winner of a lock is nearly always the only one that tries.
//
// A turn is a few writes in a row, if the view comes back for more at once. Its
// own write a view need not read; what a write costs beyond itself is that the
// next view has to hear of it, and a turn of several has that once. Whether the
// turn goes on the others must know: the writer says it in the lock-id that it
// makes up, from what it has done before (see line.wants). A word that is not
// kept costs the line one wait, as a view does that has died.
//
// A view that is far from its turn need not read each write either. It knows
// about how many there will be before it: see reading.
//
// turns is a plain value; its owner gives it the time. It knows the lines of
// the locks that this view was refused over, the latest linesMax of them.
type turns struct {
	self  string // this view
	rng   *rand.Rand
	lines map[string]*line // by the lock as the header has it
	pace  time.Duration    // about what an append of this view takes
}

const (
	linesMax    = 64
	refusalsMax = 6 // that double the bound of a random wait
	paceFirst   = 2 * time.Millisecond
	paceMax     = 50 * time.Millisecond
	paceFactor  = 4 // an append that took much longer than others counts as so many
	turnWaitMax = 500 * time.Millisecond
	// turnWrites bounds the writes of one turn, and turnTime what they take: the
	// longer the turn, the longer the others wait, and the less it saves.
	turnWrites = 3
	turnTime   = 8 * time.Millisecond
)

// The lock-id of a view's append is the view's name, a dot, a number, and if its
// turn goes on a plus and how many writes more it will have.
const (
	viewPrefix   = "view-"
	viewNameSize = len(viewPrefix) + 13
	turnGoesOn   = "+"
)

// newViewName is what the lock-ids of a view's appends begin with.
func newViewName() string { return viewPrefix + crand.Text()[:13] }

// newID is a lock-id.
func newID(view string, n uint64, more int) string {
	id := view + "." + strconv.FormatUint(n, 10)
	if more > 0 {
		id += turnGoesOn + strconv.Itoa(more)
	}
	return id
}

// viewOf is the view that made a lock-id, "" if none did, and how many writes
// more its turn will have.
func viewOf(id string) (view string, more int) {
	if !strings.HasPrefix(id, viewPrefix) || len(id) <= viewNameSize || id[viewNameSize] != '.' {
		return "", 0
	}
	_, plus, _ := strings.Cut(id[viewNameSize:], turnGoesOn)
	more, _ = strconv.Atoi(plus)
	return id[:viewNameSize], more
}

// refused begins to watch a lock, if it is not watched.
func (t *turns) refused(lock, by string, now time.Time) {
	if t.lines[lock] != nil {
		return
	}
	if t.lines == nil {
		t.lines = map[string]*line{}
	}
	if len(t.lines) >= linesMax {
		t.forgetOldest()
	}
	l := &line{last: now, habit: habitEnough}
	if view, _ := viewOf(by); view != "" {
		l.members = append(l.members, member{view: view, usual: 1})
	}
	t.lines[lock] = l
}

func (t *turns) forgetOldest() {
	oldest := ""
	for lock, l := range t.lines {
		if oldest == "" || l.last.Before(t.lines[oldest].last) {
			oldest = lock
		}
	}
	delete(t.lines, oldest)
}

// see notes records of the partition that came at once.
func (t *turns) see(records []*kgo.Record, now time.Time) {
	if len(t.lines) == 0 || len(records) == 0 {
		return
	}
	for _, r := range records {
		t.seeOne(r)
	}
	for _, l := range t.lines {
		l.time(now)
	}
}

func (t *turns) seeOne(r *kgo.Record) {
	by, more := "", 0
	for _, h := range r.Headers {
		if h.Key == protocol.HeaderLockID {
			by, more = viewOf(string(h.Value))
		}
	}
	if l := t.lines["*"]; l != nil {
		l.wrote(by, more)
	}
	for _, h := range r.Headers {
		if h.Key == protocol.HeaderLockWrite || h.Key == protocol.HeaderLockAppend {
			t.marked(h.Value, by, more)
		}
	}
}

// marked notes that the locks of a list were written.
func (t *turns) marked(list []byte, by string, more int) {
	for item := range bytes.FieldsSeq(list) {
		name, _, _ := bytes.Cut(item, []byte("@"))
		if l := t.lines[string(name)]; l != nil {
			l.wrote(by, more)
		}
	}
}

// wait is how long this view is to wait for others, if it has a place of its own
// in the line or not: then it goes when so many turns have ended. 0: it goes.
func (t *turns) wait(lock string, until int64, now time.Time) time.Duration {
	l := t.lines[lock]
	if l == nil {
		return 0
	}
	place := l.place(t.self, until)
	if place <= 0 {
		return 0
	}
	due := l.last.Add(min(turnWaitMax, t.pace*time.Duration(place+l.ahead(place))))
	return max(0, due.Sub(now))
}

// took notes how long an append of this view took. Those of the others will
// take as long, and as long again to begin: a view that is first in line and does
// not write within that does not want to. The time between writes would be no measure: it
// holds the waits that it would be the measure of.
func (t *turns) took(d time.Duration) {
	if t.pace == 0 {
		t.pace = paceFirst
	}
	t.pace += (min(d, paceFactor*t.pace) - t.pace) / 8
	t.pace = min(t.pace, paceMax)
}

// enter is when a view goes that has no place in the line: behind those who have.
func (t *turns) enter(lock string) (until int64) {
	if l := t.lines[lock]; l != nil {
		return l.turns + int64(len(l.members))
	}
	return 0
}

// again is when it goes after it was refused once more: views that are refused
// together would all go at once, and be in each other's way.
func (t *turns) again(lock string, refusals int) (until int64) {
	if l := t.lines[lock]; l != nil {
		return l.turns + t.rng.Int64N(1<<(min(refusals, refusalsMax)-1))
	}
	return 0
}

// wants notes that this view wants locks, now that it has decided.
func (t *turns) wants(locks []string, now time.Time) {
	for _, lock := range locks {
		if l := t.lines[lock]; l != nil {
			l.wants(t.pace, now)
		}
	}
}

// done notes that this view has written locks.
func (t *turns) done(locks []string, now time.Time) {
	for _, lock := range locks {
		if l := t.lines[lock]; l != nil {
			l.landed = now
		}
	}
}

// more is how many writes more this view's turn will have after its next one.
// The turn goes on if there is time, and if each of the locks that will be
// marked and has a line will be wanted at once: because others of this view are
// queued for it, or because the view is likely to come back.
func (t *turns) more(locks []string, queued string) int {
	more, lines := turnWrites, 0
	for _, lock := range locks {
		l := t.lines[lock]
		if l == nil {
			continue
		}
		if lines++; lock != queued && l.habit < habitEnough {
			return 0
		}
		more = min(more, t.turn()-1-l.turnLength(t.self))
	}
	if lines == 0 {
		return 0
	}
	return max(0, more)
}

// turn is how many writes one of this view's has.
func (t *turns) turn() int {
	if t.pace == 0 {
		return 1
	}
	return int(max(1, min(turnWrites, turnTime/t.pace)))
}
