package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol/record"
)

const (
	// recompressedPart is the part of the frames' budget that recompressed batches
	// have of their own. A request of a few KiB may become a batch of
	// max.message.bytes, which waits for a disk and for followers.
	recompressedPart = 4
	// ratioSupposed is how many times its size a compressed batch is supposed to
	// be at most, once it is compressed in another way. What is more is there for
	// the asking only while nobody waits.
	ratioSupposed = 16
)

// recompressed bounds the memory of recompressed batches until they are
// answered. Who waits for it holds nothing that another could wait for: the
// batches that have it are on their way through their partitions already.
type recompressed struct{ *transport.Budget }

func newRecompressed(framesBytesMax int64) recompressed {
	return recompressed{transport.NewBudget(framesBytesMax / recompressedPart)}
}

// held is what one batch has of it, as it was acquired.
type held [2]int64

var errRecompressBusy = errors.New("too many recompressed batches wait to be written; try again")

// claim waits for what b will need, as far as can be told before it is opened.
func (r recompressed) claim(ctx context.Context, h *held, b record.Batch, bytesMax int) error {
	n := int64(b.Size())
	if b.Codec() == record.CodecNone {
		n += n / ratioSupposed // what does not compress
	} else {
		n = min(n*ratioSupposed, int64(bytesMax))
	}
	n = min(n, r.Largest())
	if err := r.Acquire(ctx, n); err != nil {
		return err
	}
	h[0] = n
	return nil
}

// settle takes what the batch has needed beyond its claim.
func (r recompressed) settle(h *held, size int) error {
	more := min(int64(size), r.Largest()) - h[0]
	if more <= 0 {
		return nil
	}
	if !r.TryAcquire(more) {
		return errors.Join(kerr.RequestTimedOut, errRecompressBusy)
	}
	h[1] = more
	return nil
}

// giveBack is called when the batch's memory is let go.
func (r recompressed) giveBack(h *held) {
	for i, n := range h {
		if n > 0 {
			r.Release(n)
		}
		h[i] = 0
	}
}

// recompress compresses the part's batch as its topic asks for. The caller has
// a claim.
func (s *Server) recompress(part *producePart, recs *record.Records) error {
	made, err := part.Batch.Recompress(recs, *part.topic.Compression, int(part.topic.Settings.MaxMessageBytes))
	if err == nil {
		err = s.recompressed.settle(&part.held, made.Size())
	}
	if err != nil {
		return err
	}
	part.Batch = made
	return nil
}
