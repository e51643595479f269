package record

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
)

// Goal: Seal writes what Build writes, and again after the producer changed, as
// a batch that is sent again does.
func TestSealWritesTheBytesOfBuild(t *testing.T) {
	for _, codec := range codecs {
		builder := NewBuilder(codec).Producer(7, 0, 5)
		for _, r := range someRecords(100) {
			builder.Add(r)
		}
		for epoch := range 2 {
			builder.Producer(7, protocol.ProducerEpoch(epoch), 5)
			want, err := builder.Build()
			if err != nil {
				t.Fatal(err)
			}
			got, err := builder.Seal()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v, epoch %d: sealed and built batches differ; %v", codec, epoch, err)
			}
			parsed(t, got)
		}
	}
	if _, err := NewBuilder(CodecNone).Seal(); err == nil {
		t.Error("a batch of nothing was sealed")
	}
}

// Goal: what was added can be taken out of the builder again, to the byte.
func TestRecordsOfABuilderCanBeAddedToAnother(t *testing.T) {
	from, to := NewBuilder(CodecZstd), NewBuilder(CodecZstd)
	for _, r := range someRecords(100) {
		from.Add(r)
	}
	w := from.Walk()
	for w.Next() {
		r := Record{Timestamp: from.FirstTimestamp() + w.TimestampDelta, Key: w.Key, Value: w.Value}
		h := w.Headers()
		for range w.HeaderCount {
			key, value, _ := h.Next()
			r.Headers = append(r.Headers, Header{Key: string(key), Value: value})
		}
		to.Add(r)
	}
	want, _ := from.Build()
	if got, err := to.Build(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy differs; %v", err)
	}
}

func BenchmarkBuilderAdd(b *testing.B) {
	value := make([]byte, 100)
	for _, headers := range []int{0, 2} {
		b.Run(fmt.Sprintf("headers=%d", headers), func(b *testing.B) {
			r := Record{Timestamp: 1_700_000_000_000, Value: value}
			for range headers {
				r.Headers = append(r.Headers, Header{Key: "lock-write", Value: []byte("acct:12345")})
			}
			builder := NewBuilder(CodecNone)
			b.ReportAllocs()
			for b.Loop() {
				if builder.Count() == 5000 {
					builder.Reset(CodecNone)
				}
				builder.Add(r)
			}
		})
	}
}
