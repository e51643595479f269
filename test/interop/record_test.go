package interop

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

var (
	codecs = []record.Codec{record.CodecNone, record.CodecGzip, record.CodecSnappy, record.CodecLz4, record.CodecZstd}
	limits = record.Limits{BatchBytesMax: protocol.LimitOf(1 << 24)}
)

// someRecords have keys, values and headers that are there, empty and null.
func someRecords(count int) []record.Record {
	records := make([]record.Record, count)
	for i := range records {
		r := &records[i]
		r.Timestamp = 1_700_000_000_000 + int64(i*37%11)
		r.Key = [][]byte{fmt.Appendf(nil, "key-%d", i), nil, {}}[i%3]
		r.Value = [][]byte{bytes.Repeat([]byte("value "), i%300), {}, nil}[i/3%3]
		for h := range i % 4 {
			r.Headers = append(r.Headers, record.Header{Key: fmt.Sprintf("h%d", h), Value: fmt.Appendf(nil, "v%d", i)})
		}
	}
	return records
}

func parsed(t *testing.T, raw []byte) record.Batch {
	t.Helper()
	b, err := record.Parse(raw, limits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func built(t *testing.T, codec record.Codec, records []record.Record) []byte {
	t.Helper()
	builder := record.NewBuilder(codec)
	for _, r := range records {
		builder.Add(r)
	}
	raw, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func opened(t *testing.T, b record.Batch) *record.Records {
	t.Helper()
	records, err := b.Open(limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(records.Release)
	return &records
}

// Goal: what is on the wire from a real client is understood, under each
// codec. Method: a franz-go producer against an in-memory cluster that hands
// over what it is sent.
func TestBatchesOfARealProducerAreOpened(t *testing.T) {
	for _, codec := range codecs {
		t.Run(codec.String(), func(t *testing.T) {
			sent := someRecords(300)
			for _, raw := range capture(t, codec, sent) {
				b := parsed(t, raw)
				if b.Codec() != codec {
					t.Errorf("codec %s", b.Codec())
				}
				records := opened(t, b)
				w := records.Walk()
				for w.Next() {
					want := sent[0]
					sent = sent[1:]
					if !bytes.Equal(w.Key, want.Key) || !bytes.Equal(w.Value, want.Value) || w.HeaderCount != len(want.Headers) {
						t.Fatalf("record %d differs", w.Index)
					}
				}
			}
			if len(sent) > 0 {
				t.Errorf("%d records were not seen", len(sent))
			}
		})
	}
}

// capture is the batches that franz-go makes of the records.
func capture(t *testing.T, codec record.Codec, records []record.Record) (batches [][]byte) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var mu sync.Mutex
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		mu.Lock()
		defer mu.Unlock()
		cluster.KeepControl()
		for _, topic := range req.(*kmsg.ProduceRequest).Topics {
			for _, partition := range topic.Partitions {
				batches = append(batches, bytes.Clone(partition.Records))
			}
		}
		return nil, nil, false
	})
	compression := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}[codec]
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("t"),
		kgo.ProducerBatchCompression(compression), kgo.ProducerLinger(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var all []*kgo.Record
	for _, r := range records {
		k := &kgo.Record{Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Timestamp)}
		for _, h := range r.Headers {
			k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		all = append(all, k)
	}
	if err := client.ProduceSync(context.Background(), all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return batches
}

// Goal: what our encoders write, a foreign client decompresses to the same
// bytes.
func TestOurCompressionIsReadByFranzGo(t *testing.T) {
	theirs := kgo.DefaultDecompressor()
	records := someRecords(400)
	plain := parsed(t, built(t, record.CodecNone, records)).Bytes()[record.HeaderSize:]
	for _, codec := range codecs[1:] {
		b := parsed(t, built(t, codec, records))
		got, err := theirs.Decompress(b.Bytes()[record.HeaderSize:], kgo.CompressionCodecType(codec))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, want %d; %v", codec, len(got), len(plain), err)
		}
	}
}
