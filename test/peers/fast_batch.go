package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// The operations that the reply subject of a fast batch's message tells, and
// how far the client runs ahead.
const (
	batchStart  = "0"
	batchAppend = "1"
	batchEnd    = "2"

	fastFlow  = 1000 // messages to an acknowledgement, at most
	fastAhead = 4    // acknowledgements that may be outstanding
)

// fastBatch is one client that publishes by fast batches, NATS's fastest way:
// the messages of one run are one batch, each is judged by itself, and
// acknowledgements come by the hundred and name no sequences. As the stream's
// only writer the client knows them; were it mistaken, the run fails.
type fastBatch struct {
	*publisher
	subjects []string
	last     []uint64
	turn     int
}

func newFastBatch(_ context.Context, at place) (session, error) {
	p, err := newPublisher(at)
	return &fastBatch{publisher: p, subjects: named(at.name+".", names), last: make([]uint64, names)}, err
}

func (s *fastBatch) run(ctx context.Context, d time.Duration) (result, error) {
	stream, err := s.Stream(ctx, s.at.name)
	if err != nil {
		return result{}, err
	}
	base := stream.CachedInfo().State.LastSeq
	inbox := s.nc.NewRespInbox()
	flow := newBatchFlow()
	sub, err := s.nc.Subscribe(inbox+".>", flow.answer)
	if err != nil {
		return result{}, err
	}
	defer sub.Unsubscribe()
	defer context.AfterFunc(ctx, func() { flow.end(0, ctx.Err()) })()

	prefix, start := inbox+".b."+strconv.Itoa(fastFlow)+".ok.", time.Now()
	value, sent := payload(), uint64(0)
	for op := batchStart; op != batchEnd; {
		sent++
		if sent > 1 {
			op = batchAppend
		}
		if sent%64 == 0 && time.Since(start) > d {
			op = batchEnd
		}
		m := conditional(s.subjects[s.turn], s.last[s.turn], value)
		m.Reply = prefix + strconv.FormatUint(sent, 10) + "." + op + ".$FI"
		if err := s.nc.PublishMsg(m); err != nil {
			return result{}, err
		}
		s.last[s.turn] = base + sent
		s.turn = (s.turn + 1) % len(s.subjects)
		if err := flow.wait(sent); err != nil {
			return result{}, err
		}
	}
	count, err := flow.committed()
	if err == nil && count != sent {
		err = fmt.Errorf("a batch of %d was acknowledged with %d", sent, count)
	}
	return result{done: int64(count), tries: int64(sent), elapsed: time.Since(start)}, err
}

// batchFlow is what the server has told of a batch.
type batchFlow struct {
	mu    sync.Mutex
	moved *sync.Cond
	acked uint64 // messages
	every uint64 // messages to an acknowledgement, now
	ended bool
	count uint64
	err   error
}

func newBatchFlow() *batchFlow {
	f := &batchFlow{every: 1}
	f.moved = sync.NewCond(&f.mu)
	return f
}

// answer takes a message of the server's in.
func (f *batchFlow) answer(m *nats.Msg) {
	var a struct {
		Type  string
		Seq   uint64
		Msgs  uint64
		Count uint64
		Error *struct{ Description string }
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		f.end(0, fmt.Errorf("%q: %w", m.Data, err))
		return
	}
	switch {
	case a.Error != nil:
		f.end(0, errors.New(a.Error.Description))
	case a.Type == "ack":
		f.mu.Lock()
		f.acked, f.every = max(f.acked, a.Seq), a.Msgs
		f.mu.Unlock()
		f.moved.Broadcast()
	case a.Type == "":
		f.end(a.Count, nil)
	default:
		f.end(0, fmt.Errorf("the server told %q", m.Data))
	}
}

func (f *batchFlow) end(count uint64, err error) {
	f.mu.Lock()
	if !f.ended {
		f.ended, f.count, f.err = true, count, err
	}
	f.mu.Unlock()
	f.moved.Broadcast()
}

// wait waits until one more message may be sent.
func (f *batchFlow) wait(sent uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.ended && sent > f.acked+fastAhead*f.every {
		f.moved.Wait()
	}
	return f.err
}

func (f *batchFlow) committed() (count uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.ended {
		f.moved.Wait()
	}
	return f.count, f.err
}
