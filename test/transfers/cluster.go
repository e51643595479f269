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

	"github.com/lockstep-log/lockstep/test/chaos/rig"
)

// cluster is the three brokers.
type cluster struct {
	*rig.Rig
	client     *kgo.Client
	admin      *kadm.Client
	partitions int
}

const (
	brokers = 3
	// wholeWithin is how soon after a kill all replicas must be in sync again.
	wholeWithin = 2 * time.Minute
)

// startCluster starts brokers on loopback, and makes the topic, with the
// replication and the durability that a cluster has by default.
func startCluster(ctx context.Context, o options) (*cluster, error) {
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(o.dir, "brokers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	c := &cluster{partitions: o.partitions}
	if c.Rig, err = rig.New(rig.Options{Binary: binary, Dir: dir, Nodes: brokers}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wholeWithin)
	defer cancel()
	if err := c.begin(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *cluster) begin(ctx context.Context) (err error) {
	if err := c.Start(ctx); err != nil {
		return err
	}
	if c.client, err = kgo.NewClient(kgo.SeedBrokers(c.Kafka()...), kgo.MetadataMinAge(10*time.Millisecond), kgo.AlwaysRetryEOF()); err != nil {
		return err
	}
	c.admin = kadm.NewClient(c.client)
	if _, err := c.admin.CreateTopic(ctx, int32(c.partitions), -1, nil, topic); err != nil {
		return fmt.Errorf("create topic: %w", err)
	}
	return c.awaitWhole(ctx)
}

func (c *cluster) close() {
	if c.client != nil {
		c.client.Close()
	}
	_ = c.Close() // it has no disks to unmount
}

// awaitWhole waits until all brokers are ready and all replicas in sync.
func (c *cluster) awaitWhole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, wholeWithin)
	defer cancel()
	if err := c.Ready(ctx); err != nil {
		return err
	}
	for {
		err := c.whole(ctx)
		if err == nil {
			return nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return err
		}
	}
}

func (c *cluster) whole(ctx context.Context) error {
	topics, err := c.admin.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	if n := len(topics[topic].Partitions); n != c.partitions {
		return fmt.Errorf("topic %s has %d partitions", topic, n)
	}
	for _, p := range topics[topic].Partitions {
		if p.Leader < 1 || len(p.ISR) != brokers {
			return fmt.Errorf("%s-%d: leader %d, in sync %v", topic, p.Partition, p.Leader, p.ISR)
		}
	}
	return nil
}

// victims are the brokers that a strike hits.
func (c *cluster) victims(ctx context.Context, s strike) ([]*rig.Node, error) {
	switch s.target {
	case allBrokers:
		return c.Nodes, nil
	case broker:
		return c.Nodes[s.index : s.index+1], nil
	case leader:
		topics, err := c.admin.ListTopics(ctx, topic)
		if err != nil {
			return nil, err
		}
		return c.numbered(topics[topic].Partitions[int32(s.index)].Leader)
	case controller:
		metadata, err := c.admin.BrokerMetadata(ctx)
		if err != nil {
			return nil, err
		}
		return c.numbered(metadata.Controller)
	}
	return nil, fmt.Errorf("no broker is a %v", s.target)
}

func (c *cluster) numbered(id int32) ([]*rig.Node, error) {
	if id < 1 || int(id) > len(c.Nodes) {
		return nil, fmt.Errorf("there is no broker %d", id)
	}
	return []*rig.Node{c.Node(int(id))}, nil
}

// strike kills brokers, starts them again after a while, and waits until they
// are in sync.
func (c *cluster) strike(ctx context.Context, s strike) error {
	victims, err := c.victims(ctx, s)
	if err != nil {
		return fmt.Errorf("find the %v: %w", s.target, err)
	}
	for _, n := range victims {
		if !n.Running() {
			return fmt.Errorf("broker %d has ended by itself:\n%s", n.ID, n.Tail())
		}
		n.Kill()
	}
	pause(ctx, s.hold)
	for _, n := range victims {
		if err := n.Start(); err != nil {
			return err
		}
	}
	return c.awaitWhole(ctx)
}

// ended is an error if a broker is not there.
func (c *cluster) ended() error {
	var errs []error
	for _, n := range c.Nodes {
		if !n.Running() {
			errs = append(errs, fmt.Errorf("broker %d has ended by itself:\n%s", n.ID, n.Tail()))
		}
	}
	return errors.Join(errs...)
}

// ends is where each partition ends.
func (c *cluster) ends(ctx context.Context) ([]int64, error) {
	told, err := c.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	all := make([]int64, c.partitions)
	for p := range all {
		o, ok := told.Lookup(topic, int32(p))
		if !ok || o.Err != nil {
			return nil, fmt.Errorf("%s-%d has no end: %w", topic, p, o.Err)
		}
		all[p] = o.Offset
	}
	return all, nil
}
