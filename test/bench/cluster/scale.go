package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockstep-log/lockstep/test/bench/cpu"
	"github.com/lockstep-log/lockstep/test/bench/load"
)

// partitions is what many partitions cost when nothing happens, and how long a
// dead broker's leaders take to move.
func partitions(ctx context.Context, o options) (err error) {
	b, err := start(ctx, o, "many", 3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(o, "many")) }()
	began := time.Now()
	topic, err := b.topic(ctx, o.partitions)
	if err != nil {
		return err
	}
	fmt.Printf("partitions: %d partitions on three brokers led after %v\n", o.partitions, time.Since(began).Round(time.Millisecond))
	if err := b.idle(ctx, o.idle); err != nil {
		return err
	}
	return b.loseOne(ctx, topic, o.partitions)
}

// idle prints the share of a core that each broker uses.
func (b *brokers) idle(ctx context.Context, d time.Duration) error {
	sleep(ctx, 5*time.Second)
	var before []time.Duration
	for _, n := range b.Nodes {
		t, err := cpu.Process(n.PID())
		if err != nil {
			return err
		}
		before = append(before, t)
	}
	sleep(ctx, d)
	for i, n := range b.Nodes {
		t, err := cpu.Process(n.PID())
		if err != nil {
			return err
		}
		fmt.Printf("partitions: idle, broker %d uses %.1f %% of a core\n", n.ID, 100*(t-before[i]).Seconds()/d.Seconds())
	}
	return nil
}

// loseOne kills a broker and waits until all partitions are led by others.
func (b *brokers) loseOne(ctx context.Context, topic string, partitions int) error {
	began := time.Now()
	b.Node(1).Kill()
	for {
		n, err := b.led(ctx, topic, 1)
		if err == nil && n == partitions {
			break
		}
		if time.Since(began) > readyWithin {
			return fmt.Errorf("%d of %d partitions are led after %v: %w", n, partitions, readyWithin, err)
		}
		sleep(ctx, 10*time.Millisecond)
	}
	fmt.Printf("partitions: after a broker's death all %d are led again within %v\n", partitions, time.Since(began).Round(time.Millisecond))
	return nil
}

// catchUp lets a follower miss much and come back beside foreground writes.
func catchUp(ctx context.Context, o options) (err error) {
	b, err := start(ctx, o, "behind", 3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(o, "behind")) }()
	topic, err := b.topic(ctx, 1)
	if err != nil {
		return err
	}
	at, leader, err := b.leader(ctx, topic)
	if err != nil {
		return err
	}
	calm, err := light(ctx, at, topic, 15*time.Second)
	if err != nil {
		return err
	}
	away := b.Node(leader%3 + 1)
	if err := away.Stop(ctx); err != nil {
		return err
	}
	fill := load.Produce{Addr: at, Topic: topic, Shape: load.Shape{Records: 900, Value: 1024}, Conns: 2, InFlight: 5, Limit: load.Limit{Bytes: o.behind}}
	filled, err := fill.Run(ctx)
	if err != nil {
		return fmt.Errorf("write what is to be missed: %w", err)
	}
	without, err := light(ctx, at, topic, 15*time.Second)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := away.Start(); err != nil {
		return err
	}
	var beside load.Result
	for b.inSync(ctx, topic) < 3 {
		r, err := light(ctx, at, topic, time.Second)
		if err != nil {
			return err
		}
		beside.Add(r)
		if time.Since(began) > 10*readyWithin {
			return fmt.Errorf("not in sync after %v", time.Since(began))
		}
	}
	took := time.Since(began)
	fmt.Printf("catchup: %.1f GB in %v, %.0f MB/s; foreground p99 %d us with three in sync, %d us with two, %d us beside the catching up (%.2f times)\n",
		float64(filled.Bytes)/1e9, took.Round(100*time.Millisecond), float64(filled.Bytes)/took.Seconds()/1e6, calm.Quantile(99).Microseconds(),
		without.Quantile(99).Microseconds(), beside.Quantile(99).Microseconds(), float64(beside.Quantile(99))/float64(max(1, calm.Quantile(99))))
	return nil
}
