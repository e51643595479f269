package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// StockProduce appends records by a franz-go producer with its own settings:
// idempotent, acks=all, batches as they come; but without compression, which
// would measure the client's codec.
type StockProduce struct {
	Addr      string
	Topic     string
	Partition int32
	Shape     Shape // Records is not used: the client makes the batches
	Limit     Limit // Requests are records
}

// Run produces until the limit and waits for every answer. Latency is from
// Produce to the promise, time in the client's buffer included.
func (p StockProduce) Run(ctx context.Context) (Result, error) {
	p.Shape.Records = 1
	if err := p.Shape.validate(); err != nil {
		return Result{}, err
	}
	if p.Limit.none() {
		return Result{}, errors.New("load: a produce without a limit")
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.Addr), kgo.ClientID(clientID),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return Result{}, err
	}
	defer cl.Close()
	first, err := cl.ProduceSync(ctx, &kgo.Record{Topic: p.Topic, Partition: p.Partition, Value: payload(p.Shape.Value)}).First()
	if err != nil {
		return Result{}, fmt.Errorf("load: the first plain record: %w", err)
	}
	run := stockRun{conf: p, cl: cl, value: payload(p.Shape.Value), result: Result{Latency: newLatency()}}
	run.basis.Store(first.Offset)
	return run.produce(ctx)
}

// stockRun is one Run. Promises are called one after the other; result and err
// are theirs until Flush has returned.
type stockRun struct {
	conf   StockProduce
	cl     *kgo.Client
	value  []byte
	basis  atomic.Int64 // the newest offset that was acknowledged
	result Result
	err    error
	failed atomic.Bool
}

func (r *stockRun) produce(ctx context.Context) (Result, error) {
	start := time.Now()
	left := newBudget(r.conf.Limit, int64(max(1, r.conf.Shape.Value)))
	live := r.conf.Shape.turns(1)
	for i := 0; ; i++ {
		now := time.Now()
		if !left.take(now) || r.failed.Load() {
			break
		}
		r.cl.Produce(ctx, r.next(i%live), func(rec *kgo.Record, err error) { r.done(rec, err, now) })
	}
	err := r.cl.Flush(ctx)
	r.result.Elapsed = time.Since(start)
	return r.result, errors.Join(err, r.err)
}

func (r *stockRun) done(rec *kgo.Record, err error, sent time.Time) {
	if err != nil {
		if r.failed.CompareAndSwap(false, true) {
			r.err = err
		}
		return
	}
	r.basis.Store(rec.Offset)
	record(r.result.Latency, time.Since(sent))
	r.result.Requests++
	r.result.Records++
	r.result.Bytes += int64(len(rec.Value))
}

// next takes the newest acknowledged offset as its basis. The same names
// come again after a whole turn, by when they are long acknowledged: a turn is
// longer than the client's buffer.
func (r *stockRun) next(turn int) *kgo.Record {
	rec := &kgo.Record{Topic: r.conf.Topic, Partition: r.conf.Partition, Value: r.value}
	if r.conf.Shape.Locks == 0 {
		return rec
	}
	var names []byte
	for k := range r.conf.Shape.Locks {
		if k > 0 {
			names = append(names, ' ')
		}
		names = fmt.Appendf(names, "acct:%d:%0*d", k, turnDigits, turn)
	}
	rec.Headers = []kgo.RecordHeader{
		{Key: "lock-write", Value: names},
		{Key: "lock-basis", Value: strconv.AppendInt(nil, r.basis.Load(), 10)},
	}
	return rec
}

// StockConsume reads a partition once from its start by a franz-go consumer
// with its own settings.
type StockConsume struct {
	Addr      string
	Topic     string
	Partition int32
	Records   int64 // to read
}

// Run reads that many records. There is no latency: polls hand over what is buffered.
func (c StockConsume) Run(ctx context.Context) (Result, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addr), kgo.ClientID(clientID),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.Topic: {c.Partition: kgo.NewOffset().At(0)}}))
	if err != nil {
		return Result{}, err
	}
	defer cl.Close()
	var r Result
	start := time.Now()
	for r.Records < c.Records {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return r, err
		}
		r.Requests++
		fetches.EachRecord(func(rec *kgo.Record) {
			r.Records++
			r.Bytes += int64(len(rec.Value))
		})
	}
	r.Elapsed = time.Since(start)
	return r, nil
}
