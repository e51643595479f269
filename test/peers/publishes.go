package main

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// asyncPublishes is one client with as many publishes under way as it allows by
// default. Each expects the sequence that the last acknowledgement of its
// subject told.
type asyncPublishes struct {
	*publisher
	subjects []string
	last     []atomic.Uint64
	turn     int
	done     atomic.Int64
	failure  failure
}

func newAsyncPublishes(_ context.Context, at place) (session, error) {
	s := &asyncPublishes{subjects: named(at.name+".", names), last: make([]atomic.Uint64, names)}
	p, err := newPublisher(at,
		jetstream.WithPublishAsyncAckHandler(s.acknowledged),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { s.failure.is(err) }))
	s.publisher = p
	return s, err
}

// acknowledged is called by the client, one message after the other.
func (s *asyncPublishes) acknowledged(_ jetstream.JetStream, m *nats.Msg, ack *jetstream.PubAck) {
	i, err := strconv.Atoi(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:])
	if err != nil {
		s.failure.is(err)
		return
	}
	s.last[i].Store(ack.Sequence)
	s.done.Add(1)
}

func (s *asyncPublishes) run(ctx context.Context, d time.Duration) (result, error) {
	s.done.Store(0)
	value := payload()
	start := time.Now()
	sent := int64(0)
	for until := start.Add(d); sent%64 != 0 || time.Now().Before(until) && s.failure.get() == nil; sent++ {
		m := conditional(s.subjects[s.turn], s.last[s.turn].Load(), value)
		if _, err := s.PublishMsgAsync(m, jetstream.WithStallWait(stuckAfter)); err != nil {
			return result{}, err
		}
		s.turn = (s.turn + 1) % len(s.subjects)
	}
	select {
	case <-s.PublishAsyncComplete():
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
	return result{done: s.done.Load(), tries: sent, elapsed: time.Since(start)}, s.failure.get()
}

// conditional is a message that follows the last of its subject.
func conditional(subject string, last uint64, value []byte) *nats.Msg {
	return &nats.Msg{Subject: subject, Data: value,
		Header: nats.Header{jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(last, 10)}}}
}

// singlePublishes is one client that waits for each publish.
type singlePublishes struct {
	*publisher
	subjects []string
	last     []uint64
	turn     int
}

func newSinglePublishes(_ context.Context, at place) (session, error) {
	p, err := newPublisher(at)
	return &singlePublishes{publisher: p, subjects: named(at.name+".", names), last: make([]uint64, names)}, err
}

func (s *singlePublishes) run(ctx context.Context, d time.Duration) (result, error) {
	return oneByOne(d, func() (bool, error) {
		i := s.turn % len(s.subjects)
		s.turn++
		seq, refused, err := s.publish(ctx, s.subjects[i], s.last[i], payload())
		s.last[i] = seq
		return refused, err
	})
}
