package sim

import (
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seed         = flag.Uint64("seed", 0, "run this seed alone")
	seeds        = flag.Int("seeds", 500, "how many seeds to run")
	seedsForBugs = flag.Int("seeds-for-bugs", 2000, "in how many seeds each planted bug is to be found")
	workers      = flag.Int("workers", 2, "how many seeds to run at a time")
	first        = flag.Uint64("first", 1, "the first of them")
	near         = flag.Bool("near", true, "try first the seed that is known to find a planted bug; without, its first is looked for")
	patience     = flag.Duration("patience", time.Minute, "how long one seed may take; a sound one takes 20 ms")
)

// TestASoundClusterKeepsItsGuarantees runs seeds and lets the checker judge each,
// and sees that together they reached every rare path.
func TestASoundClusterKeepsItsGuarantees(t *testing.T) {
	if *seed != 0 {
		r := Trace(*seed, Bugs{}, t.Logf)
		t.Logf("%d offsets, %d events, %d ms\n%s", r.Offsets, r.Events, r.Micros/ms, r.Marks)
		if r.Failure != nil {
			t.Fatal(r.Failure)
		}
		return
	}
	start := time.Now()
	marks := runAll(t, *seeds)
	t.Logf("%d seeds at %.0f an hour\n%s", *seeds, float64(*seeds)/time.Since(start).Hours(), marks)
	if missing := marks.Missing(); missing != nil && *seeds >= enough && !t.Failed() {
		t.Errorf("never happened in %d seeds: %q", *seeds, missing)
	}
}

// enough is the number of seeds in which all that is expected happens.
const enough = 500

// runAll runs seeds on all workers; each run is one goroutine's from start to end.
// A seed that hangs ends the test, with its number and where each goroutine is.
func runAll(t *testing.T, n int) Marks {
	var wg sync.WaitGroup
	var next atomic.Int64
	all := make([]Marks, *workers)
	for i := range all {
		all[i] = Marks{}
		wg.Go(func() {
			for k := next.Add(1); k <= int64(n); k = next.Add(1) {
				seed := *first + uint64(k) - 1
				hung := time.AfterFunc(*patience, func() { panic(fmt.Sprintf("seed %d has no end", seed)) })
				r := Run(seed, Bugs{})
				hung.Stop()
				all[i].Add(r.Marks)
				if r.Failure != nil {
					t.Error(r.Failure)
				}
			}
		})
	}
	wg.Wait()
	marks := Marks{}
	for _, m := range all {
		marks.Add(m)
	}
	return marks
}

// TestEveryPlantedBugIsFound proves that the checker sees what it is there to
// see: each bug, planted alone, is found by one of the first seeds.
func TestEveryPlantedBugIsFound(t *testing.T) {
	for _, p := range Planted {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			if *near {
				if r := Run(p.Near, p.Bugs); r.Failure != nil {
					t.Logf("found: %v", r.Failure)
					return
				}
			}
			for i := range uint64(*seedsForBugs) {
				if r := Run(*first+i, p.Bugs); r.Failure != nil {
					t.Logf("found by the %d. seed: %v", i+1, r.Failure)
					return
				}
			}
			t.Errorf("not found in %d seeds", *seedsForBugs)
		})
	}
}

// TestTheSameSeedIsTheSameRun is what makes a failure one that can be looked at again.
func TestTheSameSeedIsTheSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		a, b := Run(seed, Bugs{}), Run(seed, Bugs{})
		if a.Events != b.Events || a.Micros != b.Micros || a.Offsets != b.Offsets || a.Marks.String() != b.Marks.String() {
			t.Errorf("seed %d: %d events in %d µs, and then %d in %d", seed, a.Events, a.Micros, b.Events, b.Micros)
		}
	}
}
