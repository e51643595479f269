package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// benchAppend measures conditional appends: many at once, each with locks of
// its own, or writers that contend for one.
type benchAppend struct {
	benchCommand
	locks   int
	writers int
	contend bool
}

func newBenchAppend(s *command.Streams) *cobra.Command {
	b := &benchAppend{benchCommand: benchCommand{s: s}}
	cmd := &cobra.Command{
		Use:   "append [TOPIC]",
		Short: "Append on condition as fast as verdicts come",
		Long: "Append records on condition to partition 0 as fast as verdicts come: by default from one\n" +
			"client that has many under way, each with locks of its own, so that none is refused.\n" +
			"--writers N lets each have one under way. --contend gives them one lock between them, a view\n" +
			"and connections each: read, decide, append, and decide again when another was faster.",
		Example: "  lockstep bench append --locks 2\n" +
			"  lockstep bench append --writers 8 --contend",
		Args: command.Arguments(0, 1, "at most one topic"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if b.contend && b.writers == 0 {
				return command.Usagef(cmd, "--contend needs --writers")
			}
			return b.measureAppends(cmd.Context(), args)
		},
	}
	b.sizeFlag(cmd)
	cmd.Flags().IntVar(&b.locks, "locks", 1, "`COUNT` of locks of each append")
	cmd.Flags().IntVar(&b.writers, "writers", 0, "`COUNT` of writers with one append under way each; 0: one with many")
	cmd.Flags().BoolVar(&b.contend, "contend", false, "let the writers contend for one lock")
	return b.flags(cmd)
}

func (b *benchAppend) measureAppends(ctx context.Context, args []string) error {
	topic, remove, err := b.topic(ctx, args)
	if err != nil {
		return err
	}
	defer remove()
	c, closeAll, err := b.cluster.Extended(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	f := &failure{command: ctx}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f.stop = stop
	measure := b.stream
	switch {
	case b.contend:
		measure = b.contest
	case b.writers > 0:
		measure = b.oneByOne
	}
	r, err := measure(ctx, c, topic, f)
	if f.err != nil {
		err = command.TopicError(topic, f.err)
	}
	if err != nil {
		return err
	}
	return b.tell(r)
}

// conditions makes conditions that hold: each lock was written long ago, if at
// all, and the basis is about now.
type conditions struct {
	locks int
	run   string // begins the names of locks
	basis atomic.Int64
}

func (b *benchAppend) conditions() *conditions {
	c := &conditions{locks: b.locks, run: strconv.FormatInt(time.Now().UnixNano(), 36) + ":"}
	c.basis.Store(client.None)
	return c
}

// locksApart is after how many locks the first is used again: many more than
// are under way at once.
const locksApart = 1_000_000

func (c *conditions) of(n int64) client.Cond {
	cond := client.Cond{Basis: c.basis.Load(), Locks: make([]client.Lock, c.locks)}
	for i := range cond.Locks {
		cond.Locks[i] = client.Write(c.run + strconv.FormatInt((n*int64(c.locks)+int64(i))%locksApart, 36))
	}
	return cond
}

// wrote notes an append; several may come at once, and in any order.
func (c *conditions) wrote(r client.Result) {
	for {
		was := c.basis.Load()
		if r.Offset <= was || c.basis.CompareAndSwap(was, r.Offset) {
			return
		}
	}
}

// stream has one writer with many appends under way.
func (b *benchAppend) stream(ctx context.Context, c *client.Client, topic string, f *failure) (benchResult, error) {
	m, value, cond := b.meter(), b.value(), b.conditions()
	still := b.progress(ctx, m)
	defer still()
	var sent sync.WaitGroup
	for n := int64(0); m.next(ctx); n++ {
		sent.Add(1)
		began := time.Now()
		c.AppendAsync(ctx, topic, 0, cond.of(n), func(r client.Result, err error) {
			defer sent.Done()
			if err != nil {
				f.is(err)
				return
			}
			cond.wrote(r)
			m.done(len(value), time.Since(began))
		}, &kgo.Record{Value: value})
	}
	sent.Wait()
	return m.result("append", topic), nil
}

// oneByOne has writers with one append under way each.
func (b *benchAppend) oneByOne(ctx context.Context, c *client.Client, topic string, f *failure) (benchResult, error) {
	m, value, cond := b.meter(), b.value(), b.conditions()
	still := b.progress(ctx, m)
	defer still()
	var all sync.WaitGroup
	for w := range b.writers {
		all.Go(func() {
			for n := int64(w); m.next(ctx); n += int64(b.writers) {
				began := time.Now()
				r, err := c.Append(ctx, topic, 0, cond.of(n), &kgo.Record{Value: value})
				if err != nil {
					f.is(err)
					return
				}
				cond.wrote(r)
				m.done(len(value), time.Since(began))
			}
		})
	}
	all.Wait()
	return m.result("append", topic), nil
}

// contest has writers contend for one lock, each with a view of its own.
func (b *benchAppend) contest(ctx context.Context, _ *client.Client, topic string, f *failure) (benchResult, error) {
	var views []*client.View[int64]
	for range b.writers {
		c, closeAll, err := b.cluster.Extended(ctx)
		if err != nil {
			return benchResult{}, err
		}
		defer closeAll()
		v, err := client.NewView(c, topic, 0, 0, func(n *int64, _ *kgo.Record) { *n++ })
		if err != nil {
			return benchResult{}, err
		}
		defer v.Close()
		if err := v.Read(ctx, func(int64, int64) error { return nil }); err != nil {
			return benchResult{}, fmt.Errorf("read %s: %w", topic, err)
		}
		views = append(views, v)
	}
	m, value := b.meter(), b.value()
	still := b.progress(ctx, m)
	defer still()
	var all sync.WaitGroup
	for _, v := range views {
		all.Go(func() {
			for m.next(ctx) {
				began := time.Now()
				_, err := v.Update(ctx, func(tx *client.Tx, _ int64) error {
					tx.Lock(client.Write("hot"))
					tx.Append(&kgo.Record{Value: value})
					return nil
				})
				if err != nil {
					f.is(err)
					return
				}
				m.done(len(value), time.Since(began))
			}
		})
	}
	all.Wait()
	r := m.result("contend", topic)
	var refusals int64
	for _, v := range views {
		refusals += v.Counts().Refusals
	}
	r.Refusals = &refusals
	return r, nil
}
