package sim

import "testing"

// Goal: transactions that hold locks in several partitions have one serial order, are
// whole, and leave nothing open; what a refusal says is so; and a table is the replay of
// its log. Method: random transactions and appends, with crashes, late copies of batches
// and markers, and retries.
func TestTransactionsAreSound(t *testing.T) {
	from, n := *first, uint64(*seeds)
	if *seed != 0 {
		from, n = *seed, 1
	}
	for s := from; s < from+n; s++ {
		if err := RunTxn(s, TxnBugs{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPlantedTransactionBugsAreFound: a checker that never fires is none.
func TestPlantedTransactionBugsAreFound(t *testing.T) {
	for _, p := range TxnPlanted {
		t.Run(p.Name, func(t *testing.T) {
			most, from := uint64(*seedsForBugs), uint64(0)
			if *near {
				from = p.Near - 1
			}
			for n := range most {
				seed := (from+n)%most + 1
				if err := RunTxn(seed, p.Bugs); err != nil {
					t.Logf("%v", err)
					return
				}
			}
			t.Errorf("not found in %d seeds", most)
		})
	}
}
