package broker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// TestRecompressedBatchesKeepToABudgetOfTheirOwn: small requests may become
// large batches, which wait for a disk. Who wants more memory than there is
// waits, and what proves larger than supposed is refused while others wait.
func TestRecompressedBatchesKeepToABudgetOfTheirOwn(t *testing.T) {
	const frames, bytesMax = 64 << 20, 1 << 20
	r := newRecompressed(frames)
	raw := batchOf(t, record.CodecZstd, record.Record{Timestamp: 1, Value: make([]byte, bytesMax/2)})
	small, err := record.Parse(raw, record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var all []*held
	for {
		h := new(held)
		if err := r.claim(t.Context(), h, small, bytesMax); err != nil {
			t.Fatal(err)
		}
		if h[0] > int64(small.Size()*ratioSupposed) {
			t.Fatalf("%d bytes are claimed for %d", h[0], small.Size())
		}
		all = append(all, h)
		if err := r.settle(h, bytesMax/2); err != nil {
			if code := codeOf(err); code != kerr.RequestTimedOut.Code || !errors.Is(err, errRecompressBusy) {
				t.Fatalf("code %d: %v", code, err)
			}
			break
		}
	}
	if n := len(all); n < frames/recompressedPart/bytesMax || n > 2*frames/recompressedPart/(bytesMax/2) {
		t.Errorf("%d batches of %d bytes are held of %d", n, bytesMax/2, frames/recompressedPart)
	}
	plain, err := record.Parse(batchOf(t, record.CodecNone, record.Record{Timestamp: 1, Value: make([]byte, 900_000)}), record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var waiting held
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.claim(soon, &waiting, plain, bytesMax); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("there was room: %v", err)
	}
	for _, h := range all {
		r.giveBack(h)
		r.giveBack(h) // twice does no harm
	}
	if err := r.claim(t.Context(), &waiting, plain, bytesMax); err != nil {
		t.Fatal(err)
	}
	r.giveBack(&waiting)
	if n := r.Held(); n != 0 {
		t.Errorf("%d bytes are held when all is given back", n)
	}
}

// TestManyRecompressedBatchesAreAllWritten through a budget of a few of them,
// and none of it is left taken, by those that are refused either.
func TestManyRecompressedBatchesAreAllWritten(t *testing.T) {
	s, _ := startServer(t, func(c *Config) { c.RequestBytesMax, c.FramesBytesMax = 1<<20, 4<<20 })
	dial(t, s.Addr("")).createTopic("t", 1, "compression.type", "uncompressed", "max.message.bytes", "600000")
	value := make([]byte, 300_000)
	const writers, each = 8, 10
	done := make(chan int)
	for range writers {
		w := dial(t, s.Addr(""))
		batches := make([][]byte, each)
		for i := range batches {
			batches[i] = batchOf(t, record.CodecZstd, record.Record{Timestamp: nowMs(), Value: value})
		}
		large := batchOf(t, record.CodecZstd, record.Record{Timestamp: nowMs(), Value: make([]byte, 700_000)})
		go func() {
			in := 0
			for _, b := range batches {
				for w.sends("t", b).ErrorCode == kerr.RequestTimedOut.Code {
					time.Sleep(time.Millisecond)
				}
				in++
				w.sends("t", large)
			}
			done <- in
		}()
	}
	for range writers {
		<-done
	}
	if end := dial(t, s.Addr("")).at(7, "t", timeLatest).Offset; end != writers*each {
		t.Errorf("the log ends at %d", end)
	}
	if n := s.recompressed.Held(); n != 0 {
		t.Errorf("%d bytes are held when all is answered", n)
	}
}
