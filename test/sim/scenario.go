package sim

import "math/rand/v2"

// Scenario is what a seed makes of a run, beyond the order of events.
type Scenario struct {
	Brokers, MinInsync int
	Producers, Bankers int
	BankersByID        int // bankers with lock-ids in place of sequences
	BankersPerAppend   int // bankers who want a verdict per append

	Micros     int64 // for how long things break
	FaultEvery int64 // microseconds, on average
	ThinkTime  int64 // between a client's requests
	PollTime   int64 // between a client's reads
	WatchDelay int64 // between looks at the store

	Loss, Duplicate, Slow float64 // shares of messages
	DelayMax              int64   // of most messages
	SyncMax               int64   // of most syncs
	PowerCuts             float64 // share of effects behind which a broker crashes
	Housekeeping          int64   // between rounds of it
	CheckpointEvery       int64   // offsets
	ProduceTimeout        int64   // milliseconds; 0: none
	BitFlips              bool
	Compacts              bool // the log's records are compacted by key
	LeadershipMoves       bool // the leadership moves all the time
}

func scenario(rng *rand.Rand) Scenario {
	s := Scenario{Brokers: 3, MinInsync: 2, Producers: 1 + rng.IntN(2), Bankers: 2 + rng.IntN(2), BankersByID: 1, BankersPerAppend: 1}
	if rng.IntN(5) == 0 {
		s.Brokers = 4 + rng.IntN(2)
		s.MinInsync = 2 + rng.IntN(2)
	}
	if rng.IntN(6) == 0 {
		s.MinInsync = 1
	}
	s.Micros = int64(2000+rng.IntN(10_000)) * ms
	s.FaultEvery = int64(40+rng.IntN(600)) * ms
	s.ThinkTime = int64(3+rng.IntN(80)) * ms
	s.PollTime = int64(5+rng.IntN(80)) * ms
	s.WatchDelay = int64(5+rng.IntN(80)) * ms
	s.DelayMax = int64(1+rng.IntN(8)) * ms
	s.SyncMax = int64(1+rng.IntN(30)) * ms
	if rng.IntN(2) == 0 {
		s.Loss, s.Duplicate, s.Slow = rng.Float64()*0.08, rng.Float64()*0.05, rng.Float64()*0.05
	}
	if rng.IntN(4) == 0 {
		s.Slow = rng.Float64() * 0.3
	}
	if rng.IntN(5) == 0 {
		s.LeadershipMoves, s.Slow, s.WatchDelay = true, 0.1+rng.Float64()*0.5, 10*ms
	}
	if rng.IntN(3) == 0 {
		s.PowerCuts = rng.Float64() * 0.002
	}
	if rng.IntN(3) == 0 {
		s.ProduceTimeout = int64(30 + rng.IntN(300))
	}
	s.Housekeeping, s.CheckpointEvery = int64(20+rng.IntN(200))*ms, int64(1+rng.IntN(40))
	s.BitFlips = s.MinInsync > 1 && rng.IntN(4) == 0
	if s.Compacts = !s.BitFlips && rng.IntN(10) == 0; s.Compacts {
		s.Producers += 2
	}
	return s
}
