package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/bench/cpu"
	"github.com/lockstep-log/lockstep/test/chaos/rig"
)

// readyWithin bounds the start of brokers, and of topics.
const readyWithin = time.Minute

// brokers is a cluster under measurement.
type brokers struct {
	*rig.Rig
	client *kgo.Client
	admin  *kadm.Client
	topics int
}

// start starts n brokers in a directory of their own.
func start(ctx context.Context, o options, name string, n int) (*brokers, error) {
	r, err := rig.New(rig.Options{Binary: o.binary, Dir: filepath.Join(o.dir, name), Nodes: n})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := errors.Join(r.Start(ctx), r.Ready(ctx)); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.Kafka()...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return &brokers{Rig: r, client: cl, admin: kadm.NewClient(cl)}, nil
}

func (b *brokers) close(o options, name string) error {
	b.client.Close()
	return errors.Join(b.Rig.Close(), os.RemoveAll(filepath.Join(o.dir, name)))
}

// topic makes a topic on all brokers and waits until each partition is led.
func (b *brokers) topic(ctx context.Context, partitions int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	b.topics++
	name := fmt.Sprintf("bench-%d", b.topics)
	if _, err := b.admin.CreateTopic(ctx, int32(partitions), int16(len(b.Nodes)), nil, name); err != nil {
		return "", fmt.Errorf("create topic: %w", err)
	}
	for {
		if led, err := b.led(ctx, name, 0); err == nil && led == partitions {
			sleep(ctx, 200*time.Millisecond) // until the leaders have seen it too: the load does not try again
			return name, nil
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return "", fmt.Errorf("topic %s is not led: %w", name, context.Cause(ctx))
		}
	}
}

// led is how many of a topic's partitions have a leader other than one broker.
func (b *brokers) led(ctx context.Context, topic string, but int32) (n int, err error) {
	all, err := b.admin.ListTopics(ctx, topic)
	if err != nil {
		return 0, err
	}
	for _, p := range all[topic].Partitions {
		if p.Err == nil && p.Leader > 0 && p.Leader != but {
			n++
		}
	}
	return n, nil
}

// leader is the address of who leads a topic's first partition.
func (b *brokers) leader(ctx context.Context, topic string) (string, int, error) {
	all, err := b.admin.ListTopics(ctx, topic)
	if err != nil {
		return "", 0, err
	}
	id := int(all[topic].Partitions[0].Leader)
	if id < 1 {
		return "", 0, fmt.Errorf("topic %s has no leader", topic)
	}
	return b.Node(id).Kafka, id, nil
}

// inSync is the size of the ISR of a topic's first partition.
func (b *brokers) inSync(ctx context.Context, topic string) int {
	all, err := b.admin.ListTopics(ctx, topic)
	if err != nil {
		return 0
	}
	return len(all[topic].Partitions[0].ISR)
}

// used is the CPU time of all brokers that run, together.
func (b *brokers) used() (sum time.Duration, err error) {
	for _, n := range b.Nodes {
		if !n.Running() {
			continue
		}
		t, err := cpu.Process(n.PID())
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
