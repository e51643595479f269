package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/test/chaos/check"
)

const (
	fetchVersion  = 12 // the last that names topics by their names
	fetchBytes    = 4 << 20
	retryInterval = 50 * time.Millisecond
)

// readLog reads a partition from its leader up to an end, batch by batch: a
// consumer would not tell of batches without records, and the last may be one.
func readLog(ctx context.Context, c *chaos, at check.Place, from, end int64) ([]check.Record, error) {
	var records []check.Record
	for from < end {
		raw, err := fetchFrom(ctx, c, at, from)
		if err == nil {
			records, from, err = openBatches(records, raw, from)
		}
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%v ends at %d; reading at %d: %w", at, end, from, errors.Join(ctx.Err(), err))
		case err != nil && !errors.Is(err, errRetry):
			return nil, fmt.Errorf("%v at %d: %w", at, from, err)
		case err != nil:
			_ = c.hold(ctx, retryInterval)
		}
	}
	return records, nil
}

// errRetry is an answer that may be another one soon.
var errRetry = errors.New("ask again")

// fetchRequest keeps kgo from asking in a version that names topics by id.
type fetchRequest struct{ *kmsg.FetchRequest }

// MaxVersion is called by kgo.
func (fetchRequest) MaxVersion() int16 { return fetchVersion }

func fetchFrom(ctx context.Context, c *chaos, at check.Place, from int64) ([]byte, error) {
	topics, err := c.admin.ListTopics(ctx, at.Topic)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRetry, err)
	}
	leader := topics[at.Topic].Partitions[at.Partition].Leader
	req := kmsg.NewPtrFetchRequest()
	req.SessionEpoch = -1
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 500, 1, fetchBytes
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = at.Topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = at.Partition, from, fetchBytes, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	answer, err := c.cl.Broker(int(leader)).Request(ctx, fetchRequest{req})
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

// openBatches appends the records of whole batches, and says where to go on.
func openBatches(records []check.Record, raw []byte, from int64) ([]check.Record, int64, error) {
	began := from
	for len(raw) > 0 {
		b, n, err := record.View(raw)
		if record.KindOf(err) == record.Truncated {
			break
		}
		if err != nil {
			return records, from, err
		}
		if records, err = openBatch(records, b, from); err != nil {
			return records, from, err
		}
		from, raw = max(from, int64(b.NextOffset())), raw[n:]
	}
	if from == began {
		return records, from, errRetry
	}
	return records, from, nil
}

func openBatch(records []check.Record, b record.Batch, from int64) ([]check.Record, error) {
	if b.Count() == 0 || b.Control() {
		return records, nil
	}
	opened, err := b.Open(record.Limits{})
	if err != nil {
		return records, err
	}
	defer opened.Release()
	w := opened.Walk()
	for w.Next() {
		r := check.Record{Offset: int64(b.BaseOffset() + protocol.Offset(w.OffsetDelta)), Epoch: int32(b.LeaderEpoch()), Value: string(w.Value)}
		var headers []string
		hs := w.Headers()
		for k, v, ok := hs.Next(); ok; k, v, ok = hs.Next() {
			headers = append(headers, string(k), string(v))
		}
		if r.Header, err = check.ParseLocks(headers...); err != nil {
			return records, err
		}
		if r.Offset >= from {
			records = append(records, r)
		}
	}
	return records, nil
}
