package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"
)

// The headers of an atomic batch (ADR-50 of NATS).
const (
	batchID       = "Nats-Batch-Id"
	batchSequence = "Nats-Batch-Sequence"
	batchCommit   = "Nats-Batch-Commit"
)

const (
	batchesAtOnce  = 8
	batchesOfOwner = 16 // sets of subjects that a worker goes round over
)

// atomicBatches is one client that publishes atomic batches, several at once.
// Each message of a batch expects the last sequence of its subject.
type atomicBatches struct {
	*publisher
	workers []*batchWorker
}

// batchWorker publishes one batch after the other to subjects of its own.
type batchWorker struct {
	*publisher
	id       string
	subjects []string
	last     []uint64
	turn     int
	result   result
}

func newAtomicBatches(_ context.Context, at place) (session, error) {
	p, err := newPublisher(at)
	if err != nil {
		return nil, err
	}
	s := &atomicBatches{publisher: p}
	for i := range batchesAtOnce {
		id := strconv.Itoa(i)
		s.workers = append(s.workers, &batchWorker{publisher: p, id: id,
			subjects: named(at.name+"."+id+".", batchLocks*batchesOfOwner), last: make([]uint64, batchLocks*batchesOfOwner)})
	}
	return s, nil
}

func (s *atomicBatches) run(ctx context.Context, d time.Duration) (result, error) {
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for _, w := range s.workers {
		w.result = result{latency: newLatency()}
		g.Go(func() error { return w.run(ctx, start.Add(d)) })
	}
	err := g.Wait()
	all := result{elapsed: time.Since(start)}
	for _, w := range s.workers {
		all.join(w.result)
	}
	return all, err
}

func (w *batchWorker) run(ctx context.Context, until time.Time) error {
	value := payload()
	for now := time.Now(); now.Before(until); {
		if err := w.batch(ctx, value); err != nil {
			return err
		}
		end := time.Now()
		w.result.record(end.Sub(now))
		w.result.done++
		w.result.tries++
		now = end
	}
	return nil
}

// batch publishes one batch; only its last message is answered.
func (w *batchWorker) batch(ctx context.Context, value []byte) error {
	first := w.turn * batchLocks % len(w.subjects)
	w.turn++
	id := w.id + "-" + strconv.Itoa(w.turn)
	for i := range batchLocks {
		m := conditional(w.subjects[first+i], w.last[first+i], value)
		m.Header[batchID] = []string{id}
		m.Header[batchSequence] = []string{strconv.Itoa(i + 1)}
		if i < batchLocks-1 {
			if err := w.nc.PublishMsg(m); err != nil {
				return err
			}
			continue
		}
		m.Header[batchCommit] = []string{"1"}
		seq, err := w.commit(ctx, m)
		if err != nil {
			return err
		}
		for k := range batchLocks {
			w.last[first+k] = seq - uint64(batchLocks-1-k)
		}
	}
	return nil
}

// commit returns the sequence of the batch's last message.
func (w *batchWorker) commit(ctx context.Context, m *nats.Msg) (uint64, error) {
	answer, err := w.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Error *struct{ Description string }
		Seq   uint64
		Count int
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, err
	}
	if ack.Error != nil {
		return 0, errors.New(ack.Error.Description)
	}
	if ack.Count != batchLocks {
		return 0, fmt.Errorf("a batch of %d was acknowledged with %d", batchLocks, ack.Count)
	}
	return ack.Seq, nil
}
