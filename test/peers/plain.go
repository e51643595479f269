package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	wire "github.com/lockstep-log/lockstep/test/bench/load"
)

// plain is kgo's own producer, idempotent and with acks=all, holding as many
// records as it does by default.
type plain struct {
	*appender
}

func newPlain(_ context.Context, at place) (session, error) {
	a, err := newAppender(at)
	if err != nil {
		return nil, err
	}
	return plain{a}, nil
}

func (p plain) run(ctx context.Context, d time.Duration) (result, error) {
	var flying sync.WaitGroup
	var done atomic.Int64
	var failure failure
	answer := func(_ *kgo.Record, err error) {
		if err != nil {
			failure.is(err)
		} else {
			done.Add(1)
		}
		flying.Done()
	}
	value := payload()
	start := time.Now()
	sent := int64(0)
	for until := start.Add(d); sent%64 != 0 || time.Now().Before(until) && failure.get() == nil; sent++ {
		flying.Add(1)
		p.kc.Produce(ctx, &kgo.Record{Value: value}, answer)
	}
	flying.Wait()
	return result{done: done.Load(), tries: sent, elapsed: time.Since(start)}, failure.get()
}

// rawWire sends encoded batches of 100 conditional records, each with a lock,
// so that the client costs little beside the server.
type rawWire struct{ at place }

func newRawWire(_ context.Context, at place) (session, error) { return rawWire{at}, nil }

func (w rawWire) run(ctx context.Context, d time.Duration) (result, error) {
	r, err := wire.Produce{Addr: w.at.addr, Topic: w.at.name, Shape: wire.Shape{Records: 100, Value: valueBytes, Locks: 1, Live: names},
		Conns: 2, InFlight: 5, Limit: wire.Limit{Duration: d}}.Run(ctx)
	return result{done: r.Records, tries: r.Records, elapsed: r.Elapsed}, err
}

func (rawWire) close() error { return nil }
