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
func verify(ctx context.Context, cl *kgo.Client, acked []string) error {
	recs, err := readAll(ctx, cl)
	if err != nil {
		return err
	}
	last := [partitions]int{}
	for i := range last {
		last[i] = -1
	}
	held := map[string]bool{}
	for _, r := range recs {
		value := string(r.Value)
		n, err := strconv.Atoi(strings.TrimPrefix(value, valuePrefix))
		switch {
		case err != nil || n%partitions != int(r.Partition):
			return fmt.Errorf("partition %d holds %q at offset %d", r.Partition, value, r.Offset)
		case held[value]:
			return fmt.Errorf("%s is in the log twice, again at offset %d of partition %d", value, r.Offset, r.Partition)
		case n < last[r.Partition]:
			return fmt.Errorf("%s follows value-%d, at offset %d of partition %d", value, last[r.Partition], r.Offset, r.Partition)
		}
		last[r.Partition], held[value] = n, true
	}
	for _, value := range acked {
		if !held[value] {
			return fmt.Errorf("lost: %s was acknowledged, and is not in the log", value)
		}
	}
	return nil
}

// readAll reads every partition of the client's topic to its end.
func readAll(ctx context.Context, cl *kgo.Client) (recs []*kgo.Record, err error) {
	topics := cl.GetConsumeTopics()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topics...)
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
