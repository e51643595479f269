package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
)

// asyncAppends is one extended producer with as many appends under way as it
// holds by default. Its basis is the newest offset that it knows to be
// committed; the same lock comes again long after it was.
type asyncAppends struct {
	*appender
	locks   int
	refuse  int // one append of so many is refused; 0 for none
	names   []string
	turn    int
	basis   atomic.Int64
	flying  sync.WaitGroup
	done    atomic.Int64
	refused atomic.Int64
	failure failure
}

const staleLock = "stale"

func newAsyncAppends(ctx context.Context, at place, locks, refuse int) (session, error) {
	a, err := newAppender(at)
	if err != nil {
		return nil, err
	}
	s := &asyncAppends{appender: a, locks: locks, refuse: refuse, names: named("acct:", names*locks)}
	first, _, err := a.append(ctx, client.Cond{Basis: client.None, Locks: []client.Lock{client.Write(staleLock)}}, payload())
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	s.basis.Store(first)
	return s, nil
}

func (s *asyncAppends) run(ctx context.Context, d time.Duration) (result, error) {
	s.done.Store(0)
	s.refused.Store(0)
	value, answer := payload(), s.answer
	start := time.Now()
	sent := int64(0)
	for until := start.Add(d); sent%64 != 0 || time.Now().Before(until) && s.failure.get() == nil; sent++ {
		s.flying.Add(1)
		s.AppendAsync(ctx, s.at.name, 0, s.next(sent), answer, &kgo.Record{Value: value})
	}
	s.flying.Wait()
	r := result{done: s.done.Load(), tries: sent, elapsed: time.Since(start)}
	err := s.failure.get()
	if want := s.stale(sent); err == nil && s.refused.Load() != want {
		err = fmt.Errorf("%d appends were refused, and %d ought to be", s.refused.Load(), want)
	}
	return r, err
}

// stale is how many of the first n appends of a run are to be refused.
func (s *asyncAppends) stale(n int64) int64 {
	if s.refuse == 0 {
		return 0
	}
	return n / int64(s.refuse)
}

// next is the condition of append i.
func (s *asyncAppends) next(i int64) client.Cond {
	if s.refuse > 0 && i%int64(s.refuse) == int64(s.refuse)-1 {
		return client.Cond{Basis: client.None, Locks: []client.Lock{client.Write(staleLock)}}
	}
	c := client.Cond{Basis: s.basis.Load(), Locks: make([]client.Lock, s.locks)}
	for k := range c.Locks {
		c.Locks[k] = client.Write(s.names[s.turn+k])
	}
	s.turn = (s.turn + s.locks) % len(s.names)
	return c
}

// answer is called by the client, one append after the other.
func (s *asyncAppends) answer(r client.Result, err error) {
	switch {
	case err == nil:
		s.basis.Store(r.Offset)
		s.done.Add(1)
	case errors.Is(err, client.ErrConflict):
		s.refused.Add(1)
	default:
		s.failure.is(err)
	}
	s.flying.Done()
}

// singleAppends is one extended producer that waits for each append.
type singleAppends struct {
	*appender
	names []string
	turn  int
	basis int64
}

func newSingleAppends(_ context.Context, at place) (session, error) {
	a, err := newAppender(at)
	if err != nil {
		return nil, err
	}
	return &singleAppends{appender: a, names: named("acct:", names), basis: client.None}, nil
}

func (s *singleAppends) run(ctx context.Context, d time.Duration) (result, error) {
	return oneByOne(d, func() (bool, error) {
		lock := client.Write(s.names[s.turn%len(s.names)])
		s.turn++
		offset, refused, err := s.append(ctx, client.Cond{Basis: s.basis, Locks: []client.Lock{lock}}, payload())
		s.basis = offset
		return refused, err
	})
}

// oneByOne writes for a time, one write in flight. None ought to be refused.
func oneByOne(d time.Duration, write func() (refused bool, err error)) (result, error) {
	start := time.Now()
	r := result{latency: newLatency()}
	for now := start; now.Sub(start) < d; {
		refused, err := write()
		if err == nil && refused {
			err = errors.New("write " + strconv.FormatInt(r.done, 10) + " was refused, and nobody contends")
		}
		if err != nil {
			return r, err
		}
		end := time.Now()
		r.record(end.Sub(now))
		r.done++
		r.tries++
		now = end
	}
	r.elapsed = time.Since(start)
	return r, nil
}
