package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// killer kills processes and brokers as its schedules say, each kind beside the
// others.
type killer struct {
	cluster *cluster
	crew    *crew
	strikes [targetCount]atomic.Int64 // at brokers, by target
}

// run strikes until ctx ends. The strike that is under way then is carried
// through: whoever was killed is started again.
func (k *killer) run(ctx context.Context, o options, fail func(error)) {
	var all sync.WaitGroup
	defer all.Wait()
	carry := func(s *schedule, out func(strike) error) {
		all.Go(func() {
			for {
				next := s.draw()
				if !pause(ctx, next.wait/time.Duration(o.haste)) {
					return
				}
				if err := out(next); err != nil && ctx.Err() == nil {
					fail(fmt.Errorf("after a strike at %v: %w", next.target, err))
					return
				}
			}
		})
	}
	atPosts := func(posts []*post) func(strike) error {
		return func(s strike) error { return posts[s.index].kill() }
	}
	carry(newSchedule(o.seed, tellerStream, ofPosts(len(k.crew.tellers))), atPosts(k.crew.tellers))
	carry(newSchedule(o.seed, keeperStream, ofPosts(len(k.crew.keepers))), atPosts(k.crew.keepers))
	carry(newSchedule(o.seed, brokerStream, ofBrokers(brokers, o.partitions)), func(s strike) error {
		k.strikes[s.target].Add(1)
		return k.cluster.strike(ctx, s)
	})
}

// brokers is how many were killed.
func (k *killer) brokers() (sum int64) {
	for t := range k.strikes {
		n := k.strikes[t].Load()
		if target(t) == allBrokers {
			n *= brokers
		}
		sum += n
	}
	return sum
}
