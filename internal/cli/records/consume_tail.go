package records

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// skipEmptyTails notices the partitions whose span ends without a record.
// Compaction, transaction markers and refused appends leave offsets that hold
// nothing, and the client library passes over them in silence; a reader that
// waited for the last offset would wait for ever, and one that went by time
// alone would miss records of a slow broker. So the log itself is asked.
func (r *reading) skipEmptyTails(ctx context.Context) error {
	for partition, s := range r.spans {
		next, err := r.lookAhead(ctx, partition, s.Next)
		if err != nil {
			return err
		}
		if next >= s.End {
			delete(r.spans, partition)
		}
	}
	return nil
}

// lookAhead fetches from an offset and returns how far there is nothing to
// print: the offset itself if a record is there, or if nothing can be said.
func (r *reading) lookAhead(ctx context.Context, partition int32, from int64) (int64, error) {
	at, err := command.Locate(ctx, r.client, r.topic, partition)
	if err != nil || at.Leader < 0 {
		return from, err
	}
	resp, err := r.client.Broker(int(at.Leader)).Request(ctx, command.FetchRequest(at, from, -1))
	if err != nil {
		return from, nil // the client library will say so if it lasts
	}
	topics := resp.(*kmsg.FetchResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return from, nil
	}
	p := &topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		if kerr.IsRetriable(err) || errors.Is(err, kerr.OffsetOutOfRange) {
			return from, nil // the client library will say so if it lasts
		}
		return from, fmt.Errorf("%s/%d: %w", r.topic, partition, err)
	}
	found, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: from, Topic: r.topic, Partition: partition}, p, kgo.DefaultDecompressor(), nil)
	if len(found.Records) > 0 {
		return from, nil
	}
	return next, nil
}
