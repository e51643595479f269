package main

import (
	"math/rand/v2"
	"time"
)

// strike is one entry of the killer's schedule. It is drawn from the seed alone;
// who leads is only known when it strikes.
type strike struct {
	wait   time.Duration // since the one before is healed
	hold   time.Duration // how long the victim stays dead
	target target
	index  int // a post, a broker or a partition, according to the target
}

// target says whom a strike hits.
type target int

const (
	process     target = iota // the one at post index
	broker                    // by its number less 1
	leader                    // of partition index
	controller                // of the cluster
	allBrokers                // at once
	targetCount = iota
)

func (t target) String() string {
	return [targetCount]string{"process", "broker", "leader", "controller", "all brokers"}[t]
}

// schedule draws strikes of one kind, one after the other.
type schedule struct {
	rng  *rand.Rand
	next func(*schedule) strike
	n    int
}

// The streams of a seed.
const (
	tellerStream = iota + 1
	keeperStream
	brokerStream
)

func newSchedule(seed, stream uint64, next func(*schedule) strike) *schedule {
	return &schedule{rng: rand.New(rand.NewPCG(seed, stream)), next: next}
}

func (s *schedule) draw() strike {
	s.n++
	return s.next(s)
}

func (s *schedule) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.rng.Int64N(int64(most-least)+1))
}

// ofPosts kills one of so many processes every few seconds.
func ofPosts(posts int) func(*schedule) strike {
	return func(s *schedule) strike {
		return strike{wait: s.between(time.Second, 4*time.Second), target: process, index: s.rng.IntN(posts)}
	}
}

const (
	allBrokersEvery = 6 // strikes at brokers
	allBrokersFirst = 3
)

// ofBrokers kills a broker some seconds after the one before is in sync again:
// mostly one that leads. Now and then it kills all.
func ofBrokers(brokers, partitions int) func(*schedule) strike {
	return func(s *schedule) strike {
		k := strike{wait: s.between(4*time.Second, 12*time.Second), hold: s.between(100*time.Millisecond, 3*time.Second)}
		switch draw := s.rng.IntN(4); {
		case s.n%allBrokersEvery == allBrokersFirst:
			k.target = allBrokers
		case draw == 0:
			k.target, k.index = broker, s.rng.IntN(brokers)
		case draw == 1:
			k.target = controller
		default:
			k.target, k.index = leader, s.rng.IntN(partitions)
		}
		return k
	}
}
