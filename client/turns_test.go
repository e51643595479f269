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
	if d := tt.wait("hot", 40, now); d <= 0 || d > turnWaitMax {
		t.Errorf("the wait is %v", d)
	}
	if d := tt.wait("hot", 0, now); d != 0 {
		t.Errorf("having been passed by all, it waits %v", d)
	}
	if d := tt.wait("cold", 0, now); d != 0 {
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

func TestOnlyViewsHavePlacesInLine(t *testing.T) {
	name := newViewName()
	for id, want := range map[string]string{name + ".7": name, name: "", "req-9": "", viewPrefix + ".1": "", "": ""} {
		if got, _ := viewOf(id); got != want {
			t.Errorf("%q is of %q, want %q", id, got, want)
		}
	}
}
