package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lockstep-log/lockstep/test/chaos/check"
)

// audit is the product's own opinion.
func (p *proof) audit(ctx context.Context) verdict {
	out, err := p.cluster.Run(ctx, "audit", topic)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return verdict{"lockstep audit", "", err}
}

// replicas stops the brokers and compares what they have on disk.
func (p *proof) replicas(ctx context.Context, ends []int64) verdict {
	v := verdict{check: "three replicas equal, byte by byte"}
	if v.err = within(ctx, wholeWithin, p.cluster.Stop); v.err != nil {
		return v
	}
	places := make([][]*check.Replica, len(ends))
	for _, n := range p.cluster.Nodes {
		all, err := check.ReadReplicas(n.ID, n.Data)
		if err != nil {
			v.err = err
			return v
		}
		for name, r := range all {
			for partition := range ends {
				if (check.Place{Topic: topic, Partition: int32(partition)}).IsReplicaOf(name) {
					places[partition] = append(places[partition], r)
				}
			}
		}
	}
	batches := 0
	var wrong []string
	for partition, replicas := range places {
		if len(replicas) != brokers {
			wrong = append(wrong, fmt.Sprintf("partition %d has %d replicas on disk", partition, len(replicas)))
			continue
		}
		batches += replicas[0].Batches()
		wrong = append(wrong, check.SameBytes(ends[partition], replicas)...)
	}
	v.detail = fmt.Sprint(batches, " batches")
	if len(wrong) > 0 {
		v.err = errors.New(strings.Join(wrong, "\n"))
	}
	return v
}

// tables compares the stopped brokers' lock tables with replays of their logs.
func (p *proof) tables(ctx context.Context) verdict {
	v := verdict{check: "lock tables equal a replay"}
	for _, n := range p.cluster.Nodes {
		if out, err := p.cluster.Run(ctx, "dump", "--replay", n.Data); err != nil {
			v.err = errors.Join(v.err, fmt.Errorf("broker %d: %w\n%s", n.ID, err, out))
		}
	}
	return v
}
