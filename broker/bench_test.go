package broker

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// What one small request costs the broker beside the kernel. The client sends
// the same bytes again and again and allocates nothing, so that what is counted
// is the broker's.

// BenchmarkALoneProduce is one record a request, one request in flight.
func BenchmarkALoneProduce(b *testing.B) {
	p := benchProduce(b)
	b.ReportAllocs()
	for b.Loop() {
		p.exchange()
	}
}

// BenchmarkAParkedFetch is the same with a consumer that waits for each record.
func BenchmarkAParkedFetch(b *testing.B) {
	p := benchProduce(b)
	c := p.beside(b, fetchFrame(p.exchange()+1))
	c.send()
	b.ReportAllocs()
	for b.Loop() {
		next := p.exchange() + 1
		c.receive()
		binary.BigEndian.PutUint64(c.frame[len(c.frame)-fetchOffsetAt:], uint64(next))
		c.send()
	}
}

// repeater sends one frame again and again.
type repeater struct {
	tb     testing.TB
	nc     net.Conn
	frame  []byte
	answer [4 << 10]byte
}

func (r *repeater) send() {
	if _, err := r.nc.Write(r.frame); err != nil {
		r.tb.Fatal(err)
	}
}

func (r *repeater) receive() []byte {
	if _, err := io.ReadFull(r.nc, r.answer[:4]); err != nil {
		r.tb.Fatal(err)
	}
	answer := r.answer[4 : 4+binary.BigEndian.Uint32(r.answer[:])]
	if _, err := io.ReadFull(r.nc, answer); err != nil {
		r.tb.Fatal(err)
	}
	return answer
}

// exchange produces and returns the offset: behind correlation id, tags, one
// topic's name, one partition's index and code.
func (r *repeater) exchange() int64 {
	r.send()
	const at = 4 + 1 + 1 + 1 + len("small") + 1 + 4
	answer := r.receive()
	if code := binary.BigEndian.Uint16(answer[at:]); code != 0 {
		r.tb.Fatalf("code %d", code)
	}
	return int64(binary.BigEndian.Uint64(answer[at+2:]))
}

func (r *repeater) beside(tb testing.TB, frame []byte) *repeater {
	nc, err := net.Dial("tcp", r.nc.RemoteAddr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { nc.Close() })
	return &repeater{tb: tb, nc: nc, frame: frame}
}

func benchProduce(b *testing.B) *repeater {
	s, cl := startServer(b)
	relaxed := "9223372036854775807"
	create := kmsg.NewPtrCreateTopicsRequest()
	create.TimeoutMillis = 10_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "small", 1, 1
	topic.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "flush.messages", Value: &relaxed}}
	create.Topics = append(create.Topics, topic)
	if resp, err := create.RequestWith(b.Context(), cl); err != nil || resp.Topics[0].ErrorCode != 0 {
		b.Fatal(resp, err)
	}
	if err := cl.ProduceSync(b.Context(), &kgo.Record{Topic: "small", Value: []byte("first")}).FirstErr(); err != nil {
		b.Fatal(err)
	}
	nc, err := net.Dial("tcp", s.Addr(""))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	return &repeater{tb: b, nc: nc, frame: produceFrame(b)}
}

func produceFrame(b *testing.B) []byte {
	batch := record.NewBuilder(record.CodecNone)
	batch.Add(record.Record{Timestamp: nowMs(), Value: make([]byte, 100)})
	raw, err := batch.Build()
	if err != nil {
		b.Fatal(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, -1, 10_000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "small", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: raw}}}}
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("small")).AppendRequest(nil, req, 1)
}

// fetchOffsetAt is where the offset stands in fetchFrame's, from its end: before
// the last fetched epoch, log start, max bytes, tags, tags, forgotten topics,
// rack and tags.
const fetchOffsetAt = 8 + 4 + 8 + 4 + 1 + 1 + 1 + 1 + 1

func fetchFrame(offset int64) []byte {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 12, 30_000, 1, 1<<20
	part := kmsg.NewFetchRequestTopicPartition()
	part.FetchOffset, part.PartitionMaxBytes = offset, 1<<20
	req.Topics = []kmsg.FetchRequestTopic{{Topic: "small", Partitions: []kmsg.FetchRequestTopicPartition{part}}}
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("small")).AppendRequest(nil, req, 1)
}
