package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// skipEmptyTails notices the partitions whose span ends without a record.
// Compaction, transaction markers and refused appends leave offsets that hold
// nothing, and the client library passes over them in silence; a reader that
// waited for the last offset would wait for ever, and one that went by time
// alone would miss records of a slow broker. So the log itself is asked.
func (r *reading) skipEmptyTails(ctx context.Context) error {
	for partition, s := range r.spans {
		next, err := r.lookAhead(ctx, partition, s)
		if err != nil {
			return err
		}
		if next >= s.End {
			delete(r.spans, partition)
		}
	}
	return nil
}

// lookAhead reads on from an offset and returns how far there is nothing to
// print: the offset itself if a record is there, or if nothing can be said.
func (r *reading) lookAhead(ctx context.Context, partition int32, s command.OffsetSpan) (int64, error) {
	next := s.Next
	rest := client.Batches{Client: r.client, Topic: r.topic, Partition: partition, From: s.Next, End: s.End,
		Patience: lull}
	err := rest.Each(ctx, func(b record.Batch) error {
		if holds, err := holdsRecords(b, s.Next); err != nil || holds {
			return cmp.Or(err, errRecordsFound)
		}
		next = int64(b.NextOffset())
		return nil
	})
	var answered *kerr.Error
	switch {
	case errors.Is(err, errRecordsFound), err == nil:
		return next, nil
	case errors.As(err, &answered) && !answered.Retriable && !errors.Is(err, kerr.OffsetOutOfRange):
		return s.Next, fmt.Errorf("%s/%d: %w", r.topic, partition, err)
	}
	return next, nil // the consumer will say so if it lasts
}

// errRecordsFound ends the look ahead.
var errRecordsFound = errors.New("records were found")

// holdsRecords reports whether a batch has data records from an offset on.
func holdsRecords(b record.Batch, from int64) (bool, error) {
	if b.Control() || b.Count() == 0 {
		return false, nil
	}
	records, err := b.Open(record.Limits{})
	if err != nil {
		return false, err
	}
	defer records.Release()
	for w := records.Walk(); w.Next(); {
		if int64(b.BaseOffset())+int64(w.OffsetDelta) >= from {
			return true, nil
		}
	}
	return false, nil
}
