package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/test/chaos/check"
	"github.com/lockstep-log/lockstep/test/chaos/work"
)

// compare stops the cluster, compares all replicas byte by byte and each lock
// table with a replay of its log, and starts the cluster again.
func (c *chaos) compare(ctx context.Context) error {
	if err := c.within(ctx, stopTimeout, c.rig.Stop); err != nil {
		return err
	}
	places := map[check.Place][]*check.Replica{}
	for _, n := range c.rig.Nodes {
		replicas, err := check.ReadReplicas(n.ID, n.Data)
		if err != nil {
			return err
		}
		for name, r := range replicas {
			for at := range c.ledger.logs {
				if at.IsReplicaOf(name) {
					places[at] = append(places[at], r)
				}
			}
		}
	}
	var wrong []string
	batches := 0
	for at, log := range c.ledger.logs {
		if n := len(places[at]); n != c.options.brokers {
			wrong = append(wrong, fmt.Sprintf("%v has %d replicas on disk", at, n))
			continue
		}
		batches += places[at][0].Batches()
		wrong = append(wrong, check.SameBytes(log.Next(), places[at])...)
	}
	if err := violations(wrong); err != nil {
		return err
	}
	for _, n := range c.rig.Nodes {
		if out, err := c.rig.Run(ctx, "dump", "--replay", n.Data); err != nil {
			return fmt.Errorf("a lock table of broker %d is not what its log says: %w\n%s", n.ID, err, out)
		}
	}
	fmt.Printf("      compared %d batches on %d brokers: equal; lock tables equal a replay\n", batches, len(c.rig.Nodes))
	return c.within(ctx, startWithin, func(ctx context.Context) error {
		return errors.Join(c.startAll(), c.healthy(ctx))
	})
}

// audit reads all logs anew, compares them with the first reading and with all
// that was ever acknowledged, and has the product's own audit judge them.
func (c *chaos) audit(ctx context.Context) error {
	ends, err := c.ends(ctx)
	if err != nil {
		return err
	}
	var wrong []string
	for at, log := range c.ledger.logs {
		records, err := readLog(ctx, c, at, 0, ends[at])
		if err != nil {
			return err
		}
		if len(records) < len(log.Records) {
			wrong = append(wrong, fmt.Sprintf("%v had %d records and has %d", at, len(log.Records), len(records)))
		}
		wrong = append(wrong, log.Reread(records)...)
		wrong = append(wrong, log.Acks(c.ledger.all)...)
	}
	if err := violations(wrong); err != nil {
		return err
	}
	for _, topic := range []string{work.Bank, work.Register} {
		if _, err := c.rig.Run(ctx, "audit", topic); err != nil {
			return err
		}
	}
	return nil
}
