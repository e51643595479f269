package main

import (
	"slices"
	"testing"
)

// TestASeedReplaysTheSchedule, and another seed makes another one.
func TestASeedReplaysTheSchedule(t *testing.T) {
	tell := func(seed uint64, rounds int) (all []string) {
		for _, f := range schedule(seed, rounds, 3, partitions, kinds) {
			all = append(all, f.String())
		}
		return all
	}
	if a, b := tell(7, 100), tell(7, 100); !slices.Equal(a, b) {
		t.Error("one seed made two schedules")
	}
	if a, b := tell(7, 20), tell(7, 100); !slices.Equal(a, b[:20]) {
		t.Error("fewer rounds are other rounds")
	}
	if slices.Equal(tell(7, 100), tell(8, 100)) {
		t.Error("two seeds made one schedule")
	}
}

// TestADeckHoldsEveryKind: as many rounds as the kinds weigh meet each of them.
func TestADeckHoldsEveryKind(t *testing.T) {
	deck := 0
	for _, k := range kinds {
		deck += k.weight
	}
	met := map[string]int{}
	for _, f := range schedule(1, deck, 3, partitions, kinds) {
		met[f.kind.name]++
	}
	for _, k := range kinds {
		if met[k.name] != k.weight {
			t.Errorf("%s came %d times in %d rounds, want %d", k.name, met[k.name], deck, k.weight)
		}
	}
}

// TestAFaultHasOneVictimAndTwoOthers whoever it is.
func TestAFaultHasOneVictimAndTwoOthers(t *testing.T) {
	for _, seed := range []uint64{0, 1} {
		for victim := 1; victim <= 3; victim++ {
			f := fault{seed: seed}
			f.aim(victim, 3)
			all := []int{f.node, f.others[0], f.others[1]}
			slices.Sort(all)
			if f.node != victim || !slices.Equal(all, []int{1, 2, 3}) {
				t.Errorf("aimed at %d: %d and %v", victim, f.node, f.others)
			}
		}
	}
}
