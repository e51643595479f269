package lock

import (
	"strings"
	"testing"
)

// TestTheOrderOverAllPartitions: each story is two partitions' logs, in which every
// admission is right by itself; want is what is wrong with both together.
func TestTheOrderOverAllPartitions(t *testing.T) {
	const (
		sevenThenEight = "7: lock-append=a\n7 commit 1\n8: lock-append=a\n8 commit 1"
		eightThenSeven = "8: lock-append=b\n8 commit 1\n7: lock-append=b\n7 commit 1"
		circle         = "no serial order: the transaction at t-0 offset "
	)
	for name, c := range map[string]struct{ left, right, want string }{
		"two transactions, in one order":  {sevenThenEight, sevenThenEight, ""},
		"two transactions, in two orders": {sevenThenEight, eightThenSeven, circle},
		"of which one was aborted": {
			"7: lock-append=a\n7 abort 1\n8: lock-append=a\n8 commit 1", "8: lock-append=b\n8 commit 1\n7: lock-append=b\n7 abort 1", ""},
		"of which one is another of the same producer": {
			sevenThenEight, "8: lock-append=b\n8 commit 1\n7: lock-append=b\n7 commit 2", ""},
		"write skew, by two guards": {
			"7: lock-read=a; lock-basis=none\n7 commit 1\n8: lock-write=a; lock-basis=none\n8 commit 1",
			"8: lock-read=b; lock-basis=none\n8 commit 1\n7: lock-write=b; lock-basis=none\n7 commit 1", circle},
		"two readers have no order": {
			"7: lock-read=a; lock-basis=none\n8: lock-read=a; lock-basis=none\n7 commit 1\n8 commit 1",
			"8: lock-read=b; lock-basis=none\n8 commit 1\n7: lock-read=b; lock-basis=none\n7 commit 1", ""},
		"by an append between": {
			"7: lock-read=a; lock-basis=none\n7 commit 1\nlock-append=a c\n8: lock-read=c; lock-basis=2\n8 commit 1", eightThenSeven,
			"before the append at t-0 offset 2"},
		"not by an append between that names another lock": {
			"7: lock-read=a; lock-basis=none\n7 commit 1\nlock-append=c\n8: lock-read=c; lock-basis=2\n8 commit 1", eightThenSeven, ""},
		"by one that read everything": {
			"7: lock-append=a\n7 commit 1\nlock-read=*; lock-basis=0\n8: lock-append=c\n8 commit 1", eightThenSeven,
			"before the append at t-0 offset 2"},
		"what was carried says nothing of an order": {
			"7 carried: lock-append=a\n7 commit 1\n8 carried: lock-append=a\n8 commit 1", eightThenSeven, ""},
		"half a transaction": {"7: lock-append=a\n7 commit 1", "7: lock-append=b\n7 abort 1",
			"the transaction of producer 7 that is committed by t-0 offset 1 is aborted by t-1 offset 1"},
		"half a transaction, aborted first": {"7: lock-append=a\n7 abort 1", "7: lock-append=b\n7 commit 1",
			"the transaction of producer 7 that is aborted by t-0 offset 1 is committed by t-1 offset 1"},
		"ends that nobody counted": {"7: lock-append=a\n7 commit", "7: lock-append=b\n7 abort", ""},
	} {
		t.Run(name, func(t *testing.T) {
			order := newSerialOrder()
			for i, log := range []string{c.left, c.right} {
				a := newAuditor(int32(i), 0)
				a.serial = order.part([]string{"t-0", "t-1"}[i])
				for line := range strings.SplitSeq(log, "\n") {
					if err := a.fold(told(t, a.next, line)); err != nil {
						t.Fatal(err)
					}
				}
				if a.out.WrongAll > 0 {
					t.Errorf("the story is wrong by itself: %+v", a.out.Wrong)
				}
			}
			found := strings.Join(order.faults(), "\n")
			if !strings.Contains(found, c.want) || (found == "") != (c.want == "") {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}
