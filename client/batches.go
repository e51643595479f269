package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// Batches is a span of a partition's log that is read batch by batch, as the log
// has them. It is for tools that look at what a consumer does not show: what was
// judged together, control batches, and batches without records.
//
// It names the leader epoch that it goes by and that of what it has read last
// (KIP-320), as a View does: whoever is asked has what was read before, or the
// reading ends with an error that says so.
type Batches struct {
	Client    *kgo.Client // it need not be of a Lockstep cluster
	Topic     string
	Partition int32
	From, End int64 // offsets; the first batch may begin before From
	// Patience is for how long the reading may come no further, whatever fails, until
	// it ends with the last failure; 0: as long as the context lasts.
	Patience time.Duration
}

// errSpanEnd: all was read.
var errSpanEnd = errors.New("the end of the span")

// Each calls fn for each batch, in order, until all of the span is read, ctx ends
// or fn returns an error, which is Each's then. A batch is fn's until it returns.
// ErrLogCut is the end of a reading whose next batch was removed meanwhile.
func (b Batches) Each(ctx context.Context, fn func(record.Batch) error) error {
	if b.From >= b.End {
		return nil
	}
	opts, err := newOptions(nil)
	if err != nil {
		return err
	}
	if b.Patience > 0 {
		opts.requestTimeout = b.Patience
	}
	at := place{b.Topic, b.Partition}
	c := &Client{cl: b.Client, opts: opts, ctx: ctx}
	c.mu.epochs = map[place]*knownEpoch{}
	f := feedOver(c, b.Client, at, b.From)
	defer f.stop()
	f.patience = b.Patience
	f.removed = func(start int64) error {
		return fmt.Errorf("%w: offset %d was removed; %s-%d starts at offset %d now", ErrLogCut, f.next.offset, at.topic,
			at.partition, start)
	}
	f.noteBegin(b.End) // nobody waits for it
	err = f.readLoop(func(batches []record.Batch, next position) (position, error) {
		for _, batch := range batches {
			if err := fn(batch); err != nil {
				return next, err
			}
		}
		if next.offset >= b.End {
			return next, errSpanEnd
		}
		return next, nil
	}, func() (reading, position) { return readOn, position{} })
	switch {
	case errors.Is(err, errSpanEnd):
		return nil
	case errors.Is(err, ErrClosed) && ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}
