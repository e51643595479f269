package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/test/bench/load"
	"github.com/lockstep-log/lockstep/test/bench/warm"
)

// side is one broker or three, under one load after the other.
type side struct {
	name string
	n    int
	*brokers
	figures []float64 // a figure a round
	more    []string
}

// pairs measures both sides in turn, round by round, in alternating order.
func pairs(ctx context.Context, o options, measure func(context.Context, *side) error) (one, three *side, err error) {
	one, three = &side{name: "one broker", n: 1}, &side{name: "three brokers", n: 3}
	for round := range o.rounds {
		order := []*side{one, three}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, s := range order {
			name := fmt.Sprintf("%d-%d", s.n, round)
			if err := warm.Pages(o.dir, 4*o.bytes); err != nil { // of three logs, and a burst
				return one, three, err
			}
			if s.brokers, err = start(ctx, o, name, s.n); err != nil {
				return one, three, err
			}
			err = measure(ctx, s)
			if err = errors.Join(err, s.close(o, name)); err != nil {
				return one, three, err
			}
		}
	}
	return one, three, nil
}

// ratio is the median of the rounds' ratios, and their extent.
func ratio(one, three *side) (median, least, most float64) {
	var all []float64
	for i := range one.figures {
		all = append(all, three.figures[i]/one.figures[i])
	}
	slices.Sort(all)
	return all[len(all)/2], all[0], all[len(all)-1]
}

// cost is the CPU time a GB of all brokers together, durable and with acks=all.
func cost(ctx context.Context, o options) error {
	for _, shape := range []load.Shape{{Records: 900, Value: 1024}, {Records: 100, Value: 1024}} {
		one, three, err := pairs(ctx, o, func(ctx context.Context, s *side) error { return s.cost(ctx, o, shape) })
		if err != nil {
			return err
		}
		median, least, most := ratio(one, three)
		fmt.Printf("cost: batches of %d x %d B, durable: %.2f [%.2f-%.2f] times the CPU a GB of one broker (%v, %v; %v, %v)\n",
			shape.Records, shape.Value, median, least, most, one.figures, one.more, three.figures, three.more)
	}
	return nil
}

func (s *side) cost(ctx context.Context, o options, shape load.Shape) error {
	topic, err := s.topic(ctx, 1)
	if err != nil {
		return err
	}
	at, _, err := s.leader(ctx, topic)
	if err != nil {
		return err
	}
	p := load.Produce{Addr: at, Topic: topic, Shape: shape, Conns: 2, InFlight: 5, Limit: load.Limit{Bytes: o.bytes / 16}}
	if _, err := p.Run(ctx); err != nil {
		return err
	}
	before, err := s.used()
	if err != nil {
		return err
	}
	p.Limit.Bytes = o.bytes
	r, err := p.Run(ctx)
	if err != nil {
		return err
	}
	after, err := s.used()
	if err != nil {
		return err
	}
	s.figures = append(s.figures, (after-before).Seconds()/float64(r.Bytes)*1e9)
	s.more = append(s.more, fmt.Sprintf("%.0f MB/s", r.MegabytesPerSecond()))
	return nil
}

// lightRate is a load that no broker feels.
const lightRate = 200

// latency is that of single durable records under a light load.
func latency(ctx context.Context, o options) error {
	one, three, err := pairs(ctx, o, func(ctx context.Context, s *side) error { return s.latency(ctx) })
	if err != nil {
		return err
	}
	median, least, most := ratio(one, three)
	fmt.Printf("latency: p99 at %d single durable records a second: %.2f [%.2f-%.2f] times that of one broker (us: %v, %v; %v, %v)\n",
		lightRate, median, least, most, one.figures, one.more, three.figures, three.more)
	return nil
}

func (s *side) latency(ctx context.Context) error {
	topic, err := s.topic(ctx, 1)
	if err != nil {
		return err
	}
	at, _, err := s.leader(ctx, topic)
	if err != nil {
		return err
	}
	if _, err := light(ctx, at, topic, time.Second); err != nil {
		return err
	}
	r, err := light(ctx, at, topic, 15*time.Second)
	if err != nil {
		return err
	}
	s.figures = append(s.figures, float64(r.Quantile(99).Microseconds()))
	s.more = append(s.more, fmt.Sprintf("p50 %d us", r.Quantile(50).Microseconds()))
	return nil
}

func light(ctx context.Context, at, topic string, d time.Duration) (load.Result, error) {
	return load.Produce{Addr: at, Topic: topic, Shape: load.Shape{Records: 1, Value: 100}, Conns: 2, InFlight: 5,
		Limit: load.Limit{Duration: d}, Rate: lightRate}.Run(ctx)
}
