package demo

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// foldEntries folds entries, the first of which opens two accounts.
func foldEntries(entries ...entry) *ledger {
	l := newLedger()
	entries = append([]entry{{Op: opOpen, Account: 0, Settled: 100}, {Op: opOpen, Account: 1, Settled: 100}}, entries...)
	for i, e := range entries {
		r := e.record()
		r.Offset = int64(i)
		r.Headers = []kgo.RecordHeader{{Key: "lock-id", Value: []byte(entryID("w", i+1))}}
		l.apply(r)
	}
	return l
}

// TestTheLedgerBlamesWhatMustNeverBe plants each fault that a log without locks
// can have.
func TestTheLedgerBlamesWhatMustNeverBe(t *testing.T) {
	right := []entry{
		{Op: opDeposit, Account: 0, Amount: 50},
		{Op: opTransfer, Account: 0, To: 1, Amount: 30, Settled: 70, ToSettled: 130},
		{Op: opWithdraw, Account: 0, Amount: 120, Withdrawn: 120},
		{Op: opDeactivate, Account: 1},
	}
	for name, c := range map[string]struct {
		more  []entry
		wrong string
	}{
		"nothing": {nil, ""},
		"a transfer decided on a stale balance": {[]entry{
			{Op: opActivate, Account: 1}, {Op: opTransfer, Account: 1, To: 0, Amount: 10, Settled: 90, ToSettled: 80}}, "makes the total 170, of 200"},
		"an overdraft":                     {[]entry{{Op: opWithdraw, Account: 0, Amount: 1, Withdrawn: 121}}, "overdrawn by 1"},
		"a lost withdrawal":                {[]entry{{Op: opDeposit, Account: 0, Amount: 5}, {Op: opWithdraw, Account: 0, Amount: 5, Withdrawn: 5}}, "makes the total"},
		"a transfer to one that is closed": {[]entry{{Op: opTransfer, Account: 0, To: 1, Settled: 70, ToSettled: 130}}, "touched while it was closed"},
		"no entry":                         {[]entry{{Op: "borrow"}}, `an operation "borrow"`},
	} {
		l := foldEntries(append(right, c.more...)...)
		switch {
		case c.wrong == "" && l.wrongAll > 0:
			t.Errorf("%s: %v", name, l.wrong)
		case c.wrong != "" && !strings.Contains(strings.Join(l.wrong, "\n"), c.wrong):
			t.Errorf("%s: blamed was %q, want %q", name, l.wrong, c.wrong)
		}
	}
}

// TestTheLedgerBlamesEntriesThatAreTwiceOrMissing by their numbers.
func TestTheLedgerBlamesEntriesThatAreTwiceOrMissing(t *testing.T) {
	l := foldEntries()
	for _, n := range []int{3, 3, 5} {
		r := entry{Op: opDeposit}.record()
		r.Headers = []kgo.RecordHeader{{Key: "lock-id", Value: []byte(entryID("w", n))}}
		l.apply(r)
	}
	if l.wrongAll != 2 {
		t.Errorf("blamed was %v", l.wrong)
	}
}

// TestWhatADecisionAppendsKeepsTheLedgerRight, whatever is wished.
func TestWhatADecisionAppendsKeepsTheLedgerRight(t *testing.T) {
	l := foldEntries()
	done := 0
	for i := range 2000 {
		e, _, err := someWish(2).decide(l)
		if err != nil {
			continue
		}
		done++
		r := e.record()
		r.Offset = int64(i)
		l.apply(r)
	}
	if l.wrongAll > 0 || done < 100 {
		t.Errorf("%d done; blamed was %v", done, l.wrong)
	}
}
