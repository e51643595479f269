package client

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// contender is a view in a world without brokers: it sees a write some time
// after it was made, and tries when its turns let it.
type contender struct {
	name    string
	turns   turns
	read    int // writes of the log that it has seen
	seen    int64
	commits int
	tries   int
}

// contend lets n views write one lock for so many writes. Each step a view is
// picked at random, reads on, and tries if it need not wait; a try takes a
// step and fails if the view had not read all.
func contend(n, writes int, seed uint64) []*contender {
	rng := rand.New(rand.NewPCG(seed, 1))
	var log []*kgo.Record
	views := make([]*contender, n)
	for i := range views {
		views[i] = &contender{name: newViewName()}
		for range 50 {
			views[i].turns.took(time.Duration(n) * 100 * time.Microsecond)
		}
	}
	now := time.Unix(1, 0)
	for len(log) < writes {
		now = now.Add(100 * time.Microsecond)
		c := views[rng.IntN(n)]
		basis := c.read
		for ; c.read < len(log); c.read++ {
			c.turns.see(log[c.read], now)
		}
		if c.turns.wait("hot", c.name, c.seen, now) > 0 {
			continue
		}
		if c.tries++; rng.IntN(3) > 0 { // it had decided before it read on
			basis = c.read
		}
		if basis < len(log) {
			c.turns.refused("hot", string(log[len(log)-1].Headers[1].Value), now)
			c.seen = c.turns.writes("hot")
			continue
		}
		id := fmt.Sprintf("%s.%d", c.name, len(log))
		log = append(log, &kgo.Record{Headers: []kgo.RecordHeader{
			{Key: "lock-write", Value: []byte("other@3 hot")}, {Key: "lock-id", Value: []byte(id)},
		}})
		c.commits++
		c.seen = c.turns.writes("hot")
	}
	return views
}

// TestContendersTakeTurns: few tries are in vain, and nobody is left out.
func TestContendersTakeTurns(t *testing.T) {
	for _, n := range []int{2, 8, 32} {
		for seed := range uint64(5) {
			views := contend(n, 200*n, seed)
			tries := 0
			for _, c := range views {
				tries += c.tries
				if c.commits < 100 {
					t.Errorf("%d contenders, seed %d: one has %d of %d writes", n, seed, c.commits, 200*n)
				}
			}
			if ratio := float64(tries) / float64(200*n); ratio > 1.5 {
				t.Errorf("%d contenders, seed %d: %.2f tries a write", n, seed, ratio)
			}
		}
	}
}

// TestWhoWantsNothingHoldsUpNobodyForLong: a line of views that have gone.
func TestWhoWantsNothingHoldsUpNobodyForLong(t *testing.T) {
	now := time.Unix(1, 0)
	var tt turns
	tt.took(time.Second)
	tt.refused("hot", "", now)
	for i := range 40 {
		now = now.Add(time.Second)
		tt.lines["hot"].wrote(fmt.Sprintf("%s%013d", viewPrefix, i), now)
	}
	if d := tt.wait("hot", "me", 40, now); d <= 0 || d > turnWaitMax {
		t.Errorf("the wait is %v", d)
	}
	if d := tt.wait("hot", "me", 0, now); d != 0 {
		t.Errorf("having been passed by all, it waits %v", d)
	}
	if d := tt.wait("cold", "me", 0, now); d != 0 {
		t.Errorf("a lock that nobody contends for: %v", d)
	}
}

// TestWhoIsFarBehindRestsHalfTheWay, and who is near does not.
func TestWhoIsFarBehindRestsHalfTheWay(t *testing.T) {
	now := time.Unix(1, 0)
	var tt turns
	tt.took(time.Millisecond)
	tt.refused("hot", "", now)
	for range 10 { // it learns the time between writes
		for i := range 16 {
			now = now.Add(time.Millisecond)
			tt.lines["hot"].wrote(fmt.Sprintf("%s%013d", viewPrefix, i), now)
		}
	}
	view := func(i int) string { return fmt.Sprintf("%s%013d", viewPrefix, i) }
	if d := tt.rest("hot", view(15), 0, now); d < 6*time.Millisecond || d > 8*time.Millisecond {
		t.Errorf("15 writes of a millisecond before it, the last rests %v", d)
	}
	if d := tt.rest("hot", view(restPlace-1), 0, now); d != 0 {
		t.Errorf("one of the next rests %v", d)
	}
	if d := tt.rest("hot", view(15), 0, now.Add(10*time.Millisecond)); d != 0 {
		t.Errorf("when nothing was written for longer, the last rests %v", d)
	}
	if d := tt.rest("cold", view(15), 0, now); d != 0 {
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
		l.wrote(fmt.Sprint(i), now)
	}
	if len(l.views) != viewsMax {
		t.Errorf("%d views in line", len(l.views))
	}
}

func TestOnlyViewsHavePlacesInLine(t *testing.T) {
	name := newViewName()
	for id, want := range map[string]string{name + ".7": name, name: "", "req-9": "", viewPrefix + ".1": "", "": ""} {
		if got := viewOf(id); got != want {
			t.Errorf("%q is of %q, want %q", id, got, want)
		}
	}
}
