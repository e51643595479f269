package plan

import (
	"testing"
)

// Half of the others is not enough: in a cluster that falls in two, both halves would fence each other.
func TestHowManyMustSuspect(t *testing.T) {
	for _, c := range []struct{ others, most int }{{1, 1}, {2, 1}, {3, 1}, {4, 2}, {5, 2}, {6, 3}} {
		for n := range c.others + 1 {
			if got := SuspicionQuorum(n, c.others); got != (n > c.most) {
				t.Errorf("%d of %d others are enough: %v", n, c.others, got)
			}
		}
	}
}
