package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const valuePrefix = "value-"

// verify reads the log past the proxy. What is acknowledged must be there once;
// the numbers of a partition must rise, which no record written twice survives.
func (r *rig) verify(ctx context.Context, acked []string) error {
	recs, err := r.readAll(ctx)
	if err != nil {
		return err
	}
	last := [partitions]int{}
	for i := range last {
		last[i] = -1
	}
	held := map[string]bool{}
	for _, rec := range recs {
		value := string(rec.Value)
		n, err := strconv.Atoi(strings.TrimPrefix(value, valuePrefix))
		switch {
		case err != nil || n%partitions != int(rec.Partition):
			return fmt.Errorf("partition %d holds %q at offset %d", rec.Partition, value, rec.Offset)
		case held[value]:
			return fmt.Errorf("%s is in the log twice, again at offset %d of partition %d", value, rec.Offset, rec.Partition)
		case n < last[rec.Partition]:
			return fmt.Errorf("%s follows value-%d, at offset %d of partition %d", value, last[rec.Partition], rec.Offset, rec.Partition)
		}
		last[rec.Partition], held[value] = n, true
	}
	for _, value := range acked {
		if !held[value] {
			return fmt.Errorf("lost: %s was acknowledged, and is not in the log", value)
		}
	}
	return nil
}

// readAll reads every partition of the topic to its end.
func (r *rig) readAll(ctx context.Context) (recs []*kgo.Record, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.broker.direct), kgo.ConsumeTopics(r.topic))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ends, err := r.admin.ListEndOffsets(ctx, r.topic)
	if err := errors.Join(err, ends.Error()); err != nil {
		return nil, err
	}
	missing := int64(0)
	ends.Each(func(end kadm.ListedOffset) { missing += end.Offset })
	for int64(len(recs)) < missing {
		fetches := cl.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return nil, fmt.Errorf("after %d of %d records: %w", len(recs), missing, err)
		}
		recs = append(recs, fetches.Records()...)
	}
	return recs, nil
}
