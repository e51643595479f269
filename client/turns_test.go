package client

import (
	"fmt"
	"testing"
	"time"
)

// TestWhoWantsNothingHoldsUpNobodyForLong: a line of views that have gone.
func TestWhoWantsNothingHoldsUpNobodyForLong(t *testing.T) {
	now := time.Unix(1, 0)
	var tt turns
	tt.took(time.Second)
	tt.refused("hot", "", now)
	for i := range 40 {
		now = now.Add(time.Second)
		tt.lines["hot"].wrote(fmt.Sprintf("%s%013d", viewPrefix, i), 0)
		tt.lines["hot"].time(now)
	}
	if d := tt.wait("hot", tt.enter("hot"), now); d <= 0 || d > turnWaitMax {
		t.Errorf("the wait is %v", d)
	}
	if d := tt.wait("hot", 0, now); d != 0 {
		t.Errorf("having been passed by all, it waits %v", d)
	}
	if d := tt.wait("cold", tt.enter("cold"), now); d != 0 {
		t.Errorf("a lock that nobody contends for: %v", d)
	}
}

// TestLinesAreBounded: the locks watched, and the views in a line.
func TestLinesAreBounded(t *testing.T) {
	now := time.Unix(1, 0)
	var tt turns
	for i := range 3 * linesMax {
		now = now.Add(time.Millisecond)
		tt.refused(fmt.Sprint(i), "", now)
	}
	if len(tt.lines) != linesMax || tt.lines[fmt.Sprint(3*linesMax-1)] == nil {
		t.Errorf("%d lines", len(tt.lines))
	}
	l := &line{}
	for i := range 2 * viewsMax {
		l.wrote(fmt.Sprint(i), 0)
	}
	if len(l.members) != viewsMax {
		t.Errorf("%d views in line", len(l.members))
	}
}

// TestLockIDsTellWhoseTurnItIs, and how long; those of others tell nothing.
func TestLockIDsTellWhoseTurnItIs(t *testing.T) {
	name := newViewName()
	for id, want := range map[string]struct {
		view string
		more int
	}{
		newID(name, 7, 0): {name, 0}, newID(name, 7, 2): {name, 2}, name + ".7+x": {name, 0},
		name: {}, "req-9": {}, "req-9+2": {}, viewPrefix + ".1": {}, "": {},
	} {
		if view, more := viewOf(id); view != want.view || more != want.more {
			t.Errorf("%q is of %q with %d more, want %+v", id, view, more, want)
		}
	}
}

// TestATurnIsBounded: whatever a view says, the others wait for few of its writes.
func TestATurnIsBounded(t *testing.T) {
	l := &line{}
	l.wrote("b", 0)
	for i := range turnWrites {
		l.wrote("a", 1000)
		if first := l.members[0].view; (first == "a") != (i < turnWrites-1) {
			t.Errorf("after write %d, %q is first", i+1, first)
		}
	}
	if l.wrote("b", -5); l.members[1] != (member{view: "b", usual: 1}) {
		t.Errorf("a number of no sense: %+v", l.members)
	}
}

// TestWhoIsPassedOverLeavesTheLine, in its turn or before it.
func TestWhoIsPassedOverLeavesTheLine(t *testing.T) {
	l := &line{}
	for _, view := range []string{"a", "b", "c"} {
		l.wrote(view, 0)
	}
	l.wrote("a", 2)
	l.wrote("c", 0)
	if len(l.members) != 1 || l.members[0].view != "c" {
		t.Errorf("in line are %+v", l.members)
	}
}
