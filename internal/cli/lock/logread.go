package lock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// logReader reads a span of one partition, batch by batch, for commands that look
// at what a consumer does not show.
//
// It names the leader epoch that it goes by and that of what it has read last
// (KIP-320), and asks no leader of an epoch before one that it knows of: whom it
// asks has what it has read, or says so and is right.
type logReader struct {
	client    *kgo.Client
	topic     string
	partition int32
	next, end protocol.Offset
	fold      func(record.Batch) error
	patience  time.Duration // for how long it may come no further

	id       kadm.TopicID // of the topic that it reads; zero before the first answer
	newest   int32        // leader epoch that is known; -1
	lastRead int32        // leader epoch of what was read last; -1
}

const (
	readWaitMs  = 1000
	readBackOff = 100 * time.Millisecond
)

func newLogReader(client *kgo.Client, topic string, partition int32, span command.OffsetSpan, patience time.Duration, fold func(record.Batch) error) *logReader {
	return &logReader{client: client, topic: topic, partition: partition, next: protocol.Offset(span.Next), end: protocol.Offset(span.End),
		fold: fold, patience: patience, newest: -1, lastRead: -1}
}

// read goes through the span. Failures that may pass are tried again, as long as
// patience lasts.
func (r *logReader) read(ctx context.Context) error {
	for moved := time.Now(); r.next < r.end; {
		before := r.next
		err := r.more(ctx)
		switch {
		case r.next > before:
			moved = time.Now()
		case err == nil:
			err = fmt.Errorf("no batch at offset %d", int64(r.next))
		}
		if err != nil && (!passes(err) || time.Since(moved) > r.patience || command.Pause(ctx, readBackOff) != nil) {
			return err
		}
	}
	return nil
}

// passes reports whether trying again may help.
func passes(err error) bool {
	var ended *readEnded
	if errors.As(err, &ended) {
		return false
	}
	var answered *kerr.Error
	return !errors.As(err, &answered) || answered.Retriable
}

// readEnded is an error that no trying again cures.
type readEnded struct{ error }

func (e *readEnded) Unwrap() error { return e.error }

// more fetches once and folds what came.
func (r *logReader) more(ctx context.Context) error {
	at, err := r.locate(ctx)
	if err != nil {
		return err
	}
	raw, err := r.fetch(ctx, at)
	if err != nil {
		return err
	}
	for len(raw) > 0 {
		batch, n, err := record.View(raw)
		if record.KindOf(err) == record.Truncated {
			break
		}
		if err == nil {
			err = r.fold(batch)
		}
		if err != nil {
			return &readEnded{fmt.Errorf("batch behind offset %d: %w", int64(r.next)-1, err)}
		}
		r.next, r.lastRead = max(r.next, batch.NextOffset()), int32(batch.LeaderEpoch())
		raw = raw[n:]
	}
	return nil
}

// locate finds the leader of the newest epoch.
func (r *logReader) locate(ctx context.Context) (command.Place, error) {
	at, err := command.Locate(ctx, r.client, r.topic, r.partition)
	switch {
	case err != nil:
		return at, err
	case at.TopicID != r.id && r.id != kadm.TopicID{}:
		return at, &readEnded{fmt.Errorf("topic %q was deleted and made again meanwhile", r.topic)}
	case at.Leader < 0 || at.Epoch < r.newest:
		return at, fmt.Errorf("%s/%d: %w", r.topic, r.partition, kerr.LeaderNotAvailable)
	}
	r.id, r.newest = at.TopicID, at.Epoch
	return at, nil
}

// fetch asks the leader for raw batches.
func (r *logReader) fetch(ctx context.Context, at command.Place) ([]byte, error) {
	req := command.FetchRequest(at, int64(r.next), r.lastRead)
	req.MaxWaitMillis, req.MinBytes = readWaitMs, 1
	resp, err := req.RequestWith(ctx, r.client.Broker(int(at.Leader)))
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("the broker answered for %d topics", len(resp.Topics))
	}
	p := &resp.Topics[0].Partitions[0]
	err = kerr.ErrorForCode(p.ErrorCode)
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange) && p.LogStartOffset > int64(r.next):
		return nil, fmt.Errorf("offset %d was removed: the log starts at %d now (%w)", int64(r.next), p.LogStartOffset, err)
	case errors.Is(err, kerr.OffsetOutOfRange):
		return nil, fmt.Errorf("offset %d, which was there, is not in the log any more (%w)", int64(r.next), err)
	case p.DivergingEpoch.EndOffset >= 0:
		return nil, &readEnded{fmt.Errorf("offset %d was read in leader epoch %d, and the log has that epoch up to offset %d only",
			int64(r.next)-1, r.lastRead, p.DivergingEpoch.EndOffset-1)}
	}
	return p.RecordBatches, err
}
