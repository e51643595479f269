package record

import (
	"fmt"
	"testing"
)

// benchBatch is a batch of count records as they come in practice: an eight
// byte key, a value, and so many lock headers.
func benchBatch(b *testing.B, codec Codec, count, valueBytes, headers int) Batch {
	b.Helper()
	bb := NewBuilder(codec)
	for i := range count {
		r := Record{Timestamp: 1_700_000_000_000 + int64(i/10), Key: fmt.Appendf(nil, "key%05d", i), Value: jsonish(i, valueBytes)}
		for h := range headers {
			r.Headers = append(r.Headers, Header{Key: "lock-write", Value: fmt.Appendf(nil, "acct:%d@%d", h, i)})
		}
		bb.Add(r)
	}
	raw, err := bb.Build()
	if err != nil {
		b.Fatal(err)
	}
	batch, _, err := View(raw)
	if err != nil {
		b.Fatal(err)
	}
	return batch
}

// jsonish is size bytes that compress about as JSON does.
func jsonish(i, size int) []byte {
	var v []byte
	for n := i; len(v) < size; n++ {
		v = fmt.Appendf(v, `{"id":%d,"amount":%d,"currency":"EUR","note":"x%x"},`, n, n*7919%100000, n*2654435761)
	}
	return v[:size]
}

func perRecord(b *testing.B, count int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/record")
}

// lockBytes does what a reader of lock headers does: it looks at every header.
// It is a function of its own because testing.B.Loop keeps what is assigned in
// its body from being optimized.
func lockBytes(records *Records) (n int) {
	w := records.Walk()
	for w.Next() {
		h := w.Headers()
		for range w.HeaderCount {
			key, value, ok := h.Next()
			if !ok {
				break
			}
			if string(key) == "lock-write" {
				n += len(value)
			}
		}
	}
	return n
}

func BenchmarkWalk(b *testing.B) {
	for _, headers := range []int{0, 1, 2, 8} {
		b.Run(fmt.Sprintf("headers=%d", headers), func(b *testing.B) {
			batch := benchBatch(b, CodecNone, 100, 100, headers)
			records, err := batch.Open(Limits{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				lockBytes(&records)
			}
			perRecord(b, 100)
		})
	}
}

func BenchmarkOpenUncompressed(b *testing.B) {
	for _, headers := range []int{0, 1, 2, 8} {
		b.Run(fmt.Sprintf("headers=%d", headers), func(b *testing.B) {
			batch := benchBatch(b, CodecNone, 100, 100, headers)
			b.ReportAllocs()
			for b.Loop() {
				records, err := batch.Open(Limits{})
				if err != nil {
					b.Fatal(err)
				}
				records.Release()
			}
			perRecord(b, 100)
		})
	}
}

func BenchmarkOpenCompressed(b *testing.B) {
	for codec := CodecGzip; codec <= codecMax; codec++ {
		for _, count := range []int{10, 1000} {
			b.Run(fmt.Sprintf("%s/%dx200B", codec, count), func(b *testing.B) {
				batch := benchBatch(b, codec, count, 200, 1)
				records, err := batch.Open(Limits{})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(records.Size()))
				records.Release()
				b.ReportAllocs()
				for b.Loop() {
					records, err := batch.Open(Limits{})
					if err != nil {
						b.Fatal(err)
					}
					records.Release()
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, count := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("%dx100B", count), func(b *testing.B) {
			raw := benchBatch(b, CodecNone, count, 100, 0).Bytes()
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(raw, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMentionsLocks(b *testing.B) {
	batch := benchBatch(b, CodecNone, 1000, 100, 0)
	b.SetBytes(int64(batch.Size()))
	b.ReportAllocs()
	for b.Loop() {
		if batch.MentionsLocks() {
			b.Fatal("no lock was written")
		}
	}
}
