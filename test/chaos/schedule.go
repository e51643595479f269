package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// fault is one entry of the schedule. It is drawn from the seed alone; who leads
// is only known when it strikes.
type fault struct {
	kind   *kind
	leader int32 // the victim is the leader of this partition; below 0: it is node
	node   int
	others [2]int // the other nodes, in an order of their own
	hold   time.Duration
	seed   uint64 // for whatever else is to be chosen
}

func (f *fault) String() string {
	whom := fmt.Sprintf("node %d", f.node)
	if f.leader >= 0 {
		whom = fmt.Sprintf("leader of %d", f.leader)
	}
	return fmt.Sprintf("%-16s %-12s %5.1fs", f.kind.name, whom, f.hold.Seconds())
}

// schedule draws faults. Kinds come from a deck that holds each as often as it
// weighs (where none does, each once) and is shuffled when it is used up, so that few rounds meet many kinds.
func schedule(seed uint64, rounds, brokers int, partitions int32, from []*kind) []fault {
	rng := rand.New(rand.NewPCG(seed, 0x10c))
	var deck []*kind
	var faults []fault
	light := !slices.ContainsFunc(from, func(k *kind) bool { return k.weight > 0 })
	for range rounds {
		if len(deck) == 0 {
			for _, k := range from {
				for range k.weight {
					deck = append(deck, k)
				}
				if light {
					deck = append(deck, k)
				}
			}
			rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		faults = append(faults, draw(rng, deck[0], brokers, partitions))
		deck = deck[1:]
	}
	return faults
}

func draw(rng *rand.Rand, k *kind, brokers int, partitions int32) fault {
	f := fault{kind: k, leader: -1, node: 1 + rng.IntN(brokers), seed: rng.Uint64()}
	if rng.IntN(2) == 0 {
		f.leader = rng.Int32N(partitions)
	}
	f.hold = k.least + time.Duration(rng.Int64N(int64(k.most-k.least)+1))
	return f
}

// aim names the victim and the others.
func (f *fault) aim(victim, brokers int) {
	f.node = victim
	others := []int{}
	for id := 1; id <= brokers; id++ {
		if id != victim {
			others = append(others, id)
		}
	}
	if f.seed%2 == 0 && len(others) == 2 {
		others[0], others[1] = others[1], others[0]
	}
	copy(f.others[:], others)
}
