package load

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

// fetchVersion is answered by the smallest header that brokers of today still serve.
const fetchVersion = 4

// Consume reads a partition from its start and throws the bytes away, on Conns
// connections, each with one fetch outstanding. At the log's end it begins
// again, until the limit; without a limit it reads once.
type Consume struct {
	Addr       string // of the partition's leader
	Topic      string
	Partition  int32
	Conns      int   // 0 is 1
	FetchBytes int32 // asked for in one fetch; 0 is 1 MiB
	Limit      Limit // Bytes are looked at between two fetches
}

// Run reads until the limit. Batches count when they have come whole.
func (c Consume) Run(ctx context.Context) (Result, error) {
	c.Conns = max(1, c.Conns)
	if c.FetchBytes == 0 {
		c.FetchBytes = 1 << 20
	}
	g, ctx := errgroup.WithContext(ctx)
	readers := make([]*reader, c.Conns)
	for i := range readers {
		w, err := dial(ctx, c.Addr)
		if err != nil {
			return Result{}, err
		}
		defer w.close()
		readers[i] = &reader{wire: w, conf: c, result: Result{Latency: newLatency()}}
	}
	start := time.Now()
	for _, r := range readers {
		g.Go(func() error { return r.run(start) })
	}
	err := g.Wait()
	total := Result{Elapsed: time.Since(start)}
	for _, r := range readers {
		total.join(r.result)
	}
	return total, err
}

// reader is one connection. It knows of the log what the batch headers say.
type reader struct {
	*wire
	conf   Consume
	next   int64 // the offset to fetch
	high   int64 // the high watermark of the last answer
	result Result
}

func (r *reader) run(start time.Time) error {
	request, offsetAt := r.conf.request()
	for !r.done(start) {
		binary.BigEndian.PutUint64(request[offsetAt:], uint64(r.next))
		sent := time.Now()
		if _, err := r.Write(request); err != nil {
			return err
		}
		before := r.next
		if err := r.answer(); err != nil {
			return err
		}
		record(r.result.Latency, time.Since(sent))
		r.result.Requests++
		if r.next == before && r.next < r.high {
			return errors.New("load: a fetch below the high watermark brought no whole batch")
		}
		if r.next < r.high {
			continue
		}
		if r.conf.Limit.none() || r.high == 0 {
			return nil
		}
		r.next = 0
	}
	return nil
}

func (r *reader) done(start time.Time) bool {
	l, n := r.conf.Limit, int64(r.conf.Conns)
	return l.Requests > 0 && r.result.Requests >= l.Requests/n ||
		l.Bytes > 0 && r.result.Bytes >= l.Bytes/n ||
		l.Duration > 0 && time.Since(start) >= l.Duration
}

// request is the framed fetch, and where its offset stands.
func (c Consume) request() ([]byte, int) {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.ReplicaID = fetchVersion, -1
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 0, 1, c.FetchBytes
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.PartitionMaxBytes = c.Partition, c.FetchBytes
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = c.Topic
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	b := appendRequest(nil, req)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b, len(b) - 12 // offset and max bytes are last
}

// answer reads the fields before the records one by one, then walks the records.
func (r *reader) answer() error {
	fixed := 4 + 4 + 4 + 4 + 2 + len(r.conf.Topic) + 4 + 4 + 2 + 8 + 8 + 4
	head, err := r.in.Peek(fixed)
	if err != nil {
		return err
	}
	b := kbin.Reader{Src: head}
	size := int(b.Int32())
	b.Int32() // correlation id: one request is outstanding
	b.Int32() // throttle
	topics := b.ArrayLen()
	b.Span(int(b.Int16()))
	partitions := b.ArrayLen()
	b.Int32()
	code := b.Int16()
	r.high = b.Int64()
	b.Int64() // last stable offset
	aborted := b.Int32()
	if b.Complete() != nil || topics != 1 || partitions != 1 || aborted > 0 || size > answerMax {
		return errAnswer
	}
	if code != 0 {
		return &Refused{Code: code}
	}
	if _, err := r.in.Discard(fixed + 4); err != nil { // the records' length: it ends the frame
		return err
	}
	return r.walk(size + 4 - fixed - 4)
}

// walk goes over n bytes from batch header to batch header. The last batch may be cut.
func (r *reader) walk(n int) error {
	if n < 0 {
		return errAnswer
	}
	for n >= batchHeader {
		h, err := r.in.Peek(batchHeader)
		if err != nil {
			return err
		}
		size := int(binary.BigEndian.Uint32(h[batchLength:])) + batchLength + 4
		if size < batchHeader || size > answerMax {
			return errAnswer
		}
		if size > n {
			break
		}
		r.next = int64(binary.BigEndian.Uint64(h)) + int64(binary.BigEndian.Uint32(h[batchLastDelta:])) + 1
		r.result.Records += int64(binary.BigEndian.Uint32(h[batchCount:]))
		r.result.Bytes += int64(size)
		if _, err := r.in.Discard(size); err != nil {
			return err
		}
		n -= size
	}
	_, err := io.CopyN(io.Discard, r.in, int64(n))
	return err
}
