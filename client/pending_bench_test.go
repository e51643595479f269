package client

import (
	"context"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkEnqueue is what an append costs its caller: its headers are made,
// and it is written into the batch that waits. Nothing is sent.
func BenchmarkEnqueue(b *testing.B) {
	value := make([]byte, 100)
	for _, locks := range []int{0, 1, 2, 8} {
		b.Run("locks="+strconv.Itoa(locks), func(b *testing.B) {
			o, err := newOptions(nil)
			if err != nil {
				b.Fatal(err)
			}
			c := &Client{opts: o, slots: newSlots(o.buffered)}
			l := newLane(c, place{"t", 0})
			l.mu.running = true
			c.recent.Store(l)
			c.ctx = context.Background()
			cond := Cond{Basis: 1234567}
			for i := range locks {
				cond.Locks = append(cond.Locks, Write("acct:"+strconv.Itoa(100_000+i)))
			}
			done := func(Result, error) {}
			b.ReportAllocs()
			for b.Loop() {
				c.AppendAsync(c.ctx, "t", 0, cond, done, &kgo.Record{Value: value})
				if len(l.mu.queue) == 2 {
					s := l.mu.queue[0]
					l.mu.queue, l.mu.bytes = append(l.mu.queue[:0], l.mu.queue[1]), 0
					s.answer(0, nil)
					s.release()
				}
			}
		})
	}
}
