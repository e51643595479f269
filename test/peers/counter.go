package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// The writers of a hot lock count: each adds one to what the last of them has
// written, so that the number is that of the commits, or a write was lost.

// number is what a counter's payload says.
func number(value []byte) int64 {
	digits, _, _ := bytes.Cut(value, []byte{' '})
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// counters are the writers of a run.
type counters struct {
	total int64 // commits of all runs
}

// run has n writers count for a time. increment returns when the writer's
// increment is committed, with how often it was sent.
func (c *counters) run(ctx context.Context, n int, d time.Duration, increment func(ctx context.Context, writer int) (tries int64, err error)) (result, error) {
	results := make([]result, n)
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	until := start.Add(d)
	for w := range n {
		r := &results[w]
		r.latency = newLatency()
		g.Go(func() error {
			for began := time.Now(); began.Before(until); {
				tries, err := increment(ctx, w)
				if err != nil {
					return err
				}
				now := time.Now()
				r.record(now.Sub(began))
				r.done++
				r.tries += tries
				began = now
			}
			return nil
		})
	}
	err := g.Wait()
	all := result{elapsed: time.Since(start)}
	for _, r := range results {
		all.join(r)
	}
	c.total += all.done
	return all, err
}

// check holds the last number against the commits.
func (c *counters) check(last int64) error {
	if last != c.total {
		return fmt.Errorf("the counter is at %d after %d commits", last, c.total)
	}
	return nil
}
