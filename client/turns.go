package client

import (
	"bytes"
	"crypto/rand"
	"slices"
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
// A view that is passed over while it is first in line wants nothing, and
// leaves the line. One that is not in the line enters it behind those who are,
// but does not wait for more writes than there are views in line, so that it
// is not passed over for ever.
//
// turns is a plain value; its owner gives it the time. It knows the lines of
// the locks that this view was refused over, the latest linesMax of them.
type turns struct {
	lines map[string]*line // by the lock as the header has it
	pace  time.Duration    // about what an append of this view takes
}

// line is the views that contend for one lock.
type line struct {
	views  []string // who wrote longest ago comes first
	writes int64    // seen since the line is known
	last   time.Time
	every  time.Duration // about what lies between two writes
}

const (
	linesMax     = 64
	viewsMax     = 256 // in a line
	paceFirst    = 2 * time.Millisecond
	paceMax      = 50 * time.Millisecond
	turnWaitMax  = 500 * time.Millisecond
	restMax      = 20 * time.Millisecond
	restPlace    = 4
	viewPrefix   = "view-"
	viewNameSize = len(viewPrefix) + 13
)

// newViewName is what the lock-ids of a view's appends begin with.
func newViewName() string { return viewPrefix + rand.Text()[:13] }

// viewOf is the view that made a lock-id; "" if none did.
func viewOf(id string) string {
	if !strings.HasPrefix(id, viewPrefix) || len(id) <= viewNameSize || id[viewNameSize] != '.' {
		return ""
	}
	return id[:viewNameSize]
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
	l := &line{last: now}
	if view := viewOf(by); view != "" {
		l.views = append(l.views, view)
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

// see notes a record of the partition.
func (t *turns) see(r *kgo.Record, now time.Time) {
	if len(t.lines) == 0 {
		return
	}
	by := ""
	for _, h := range r.Headers {
		if h.Key == protocol.HeaderLockID {
			by = viewOf(string(h.Value))
		}
	}
	if l := t.lines["*"]; l != nil {
		l.wrote(by, now)
	}
	for _, h := range r.Headers {
		if h.Key == protocol.HeaderLockWrite || h.Key == protocol.HeaderLockAppend {
			t.marked(h.Value, by, now)
		}
	}
}

// marked notes that the locks of a list were written.
func (t *turns) marked(list []byte, by string, now time.Time) {
	for item := range bytes.FieldsSeq(list) {
		name, _, _ := bytes.Cut(item, []byte("@"))
		if l := t.lines[string(name)]; l != nil {
			l.wrote(by, now)
		}
	}
}

func (l *line) wrote(by string, now time.Time) {
	l.writes++
	l.every += (min(now.Sub(l.last), paceMax) - l.every) / 8
	l.last = now
	if by == "" {
		return
	}
	if at := slices.Index(l.views, by); at >= 0 {
		l.views = slices.Delete(l.views, 0, at+1) // those before it were passed over
	}
	if len(l.views) < viewsMax {
		l.views = append(l.views, by)
	}
}

// wait is how long a view is to wait for others, who has seen the line have
// so many writes since it began to want the lock. 0: it goes.
func (t *turns) wait(lock, view string, sinceWrites int64, now time.Time) time.Duration {
	l := t.lines[lock]
	if l == nil {
		return 0
	}
	place := l.place(view, sinceWrites)
	if place <= 0 {
		return 0
	}
	due := l.last.Add(min(turnWaitMax, 2*t.pace*time.Duration(place)))
	return max(0, due.Sub(now))
}

// place is how many are before a view.
func (l *line) place(view string, sinceWrites int64) int {
	if at := slices.Index(l.views, view); at >= 0 {
		return at
	}
	return len(l.views) - int(min(l.writes-sinceWrites, viewsMax))
}

// rest is how long a view that waits for a lock need not read on, because there
// are so many before it: half of what they will take. So it reads log2(N) times
// while N others write, and not N times, which with many is all that their
// processors would do.
func (t *turns) rest(lock, view string, sinceWrites int64, now time.Time) time.Duration {
	l := t.lines[lock]
	if l == nil {
		return 0
	}
	place := l.place(view, sinceWrites)
	if place < restPlace {
		return 0
	}
	d := min(restMax, l.every*time.Duration(place)/2, t.wait(lock, view, sinceWrites, now)/2)
	return max(0, d-now.Sub(l.last))
}

// took notes how long an append of this view took. Those of the others will
// take as long, so a view that is first in line and does not write within about
// twice that does not want to. The time between writes would be no measure: it
// holds the waits that it would be the measure of.
func (t *turns) took(d time.Duration) {
	if t.pace == 0 {
		t.pace = paceFirst
	}
	t.pace += (min(d, paceMax) - t.pace) / 8
}

// writes is the count that wait compares with.
func (t *turns) writes(lock string) int64 {
	if l := t.lines[lock]; l != nil {
		return l.writes
	}
	return 0
}
