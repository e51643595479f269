// Package rawlog reads partitions batch by batch, with requests of its own: a
// consumer would not tell of batches without records, and the last may be one.
//
// It does what client.Batches does, and shares no code with it on purpose. The
// checkers of chaos and transfers hold the log against what clients were told; with
// the product's own reader a fault of that reader could hide what it is to show.
package rawlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
)

const (
	fetchVersion  = 12 // the last that names topics by their names
	fetchBytes    = 4 << 20
	fetchWaitMs   = 500
	retryInterval = 50 * time.Millisecond
)

// Read calls each for every batch of a partition from an offset up to an end, in
// order, as the leader has it; the first may begin before from. What may be
// answered otherwise soon is asked again until ctx ends. An error of each ends
// the reading. A batch is each's until it returns.
func Read(ctx context.Context, cl *kgo.Client, topic string, partition int32, from, end int64, each func(record.Batch) error) error {
	for from < end {
		next := from
		raw, err := fetch(ctx, cl, topic, partition, from)
		if err == nil {
			next, err = walk(raw, from, each)
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s-%d ends at %d; reading at %d: %w", topic, partition, end, from, errors.Join(ctx.Err(), err))
		case err != nil && !errors.Is(err, errRetry):
			return fmt.Errorf("%s-%d at %d: %w", topic, partition, from, err)
		case next == from:
			hold(ctx)
		}
		from = next
	}
	return nil
}

// errRetry is an answer that may be another one soon.
var errRetry = errors.New("ask again")

func hold(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(retryInterval):
	}
}

// walk calls each for whole batches, and says where to go on.
func walk(raw []byte, from int64, each func(record.Batch) error) (int64, error) {
	for len(raw) > 0 {
		b, n, err := record.View(raw)
		if record.KindOf(err) == record.Truncated {
			break
		}
		if err != nil {
			return from, err
		}
		if int64(b.NextOffset()) > from {
			if err := each(b); err != nil {
				return from, err
			}
			from = int64(b.NextOffset())
		}
		raw = raw[n:]
	}
	return from, nil
}

// fetchRequest keeps kgo from asking in a version that names topics by id.
type fetchRequest struct{ *kmsg.FetchRequest }

// MaxVersion is called by kgo.
func (fetchRequest) MaxVersion() int16 { return fetchVersion }

func fetch(ctx context.Context, cl *kgo.Client, topic string, partition int32, from int64) ([]byte, error) {
	topics, err := kadm.NewClient(cl).ListTopics(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRetry, err)
	}
	leader := topics[topic].Partitions[partition].Leader
	req := kmsg.NewPtrFetchRequest()
	req.SessionEpoch = -1
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = fetchWaitMs, 1, fetchBytes
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = partition, from, fetchBytes, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	answer, err := cl.Broker(int(leader)).Request(ctx, fetchRequest{req})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRetry, err)
	}
	resp := answer.(*kmsg.FetchResponse)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("%w: the broker answered for %d topics", errRetry, len(resp.Topics))
	}
	p := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		if kerr.IsRetriable(err) {
			return nil, fmt.Errorf("%w: %w", errRetry, err)
		}
		return nil, err
	}
	return p.RecordBatches, nil
}
