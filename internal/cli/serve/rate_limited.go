package serve

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// bounded is a slog.Handler that tells each cause a few times at once, then seldom,
// and how often it was left out: a disk that fails is one cause for each partition
// on it, and a scanner of ports for each of its connections. Nothing is lost that
// metrics and /v1/cluster/health do not have.
//
// Handlers made by WithAttrs and WithGroup share what is known of the causes.
type bounded struct {
	next   slog.Handler
	causes *causes
}

// causes is what was told lately.
type causes struct {
	mu struct {
		sync.Mutex
		of map[string]*toldCause // at most causesMax
	}
}

// toldCause is one of them.
type toldCause struct {
	limit   *rate.Limiter
	leftOut int
	last    slog.Record  // the last one that was left out
	to      slog.Handler // where it would have gone
	pending bool         // its count is about to be told
}

const (
	causesMax = 1000
	// leftOutAfter is how long a count of lines waits for more of them.
	leftOutAfter = 10 * time.Second
	leftOutKey   = "left_out"
)

// What is wrong is told five times and then twice a minute, what happened fifty
// times and then once a second.
func limitOf(level slog.Level) *rate.Limiter {
	if level >= slog.LevelWarn {
		return rate.NewLimiter(rate.Every(30*time.Second), 5)
	}
	return rate.NewLimiter(rate.Every(time.Second), 50)
}

func newBounded(next slog.Handler) *bounded {
	b := &bounded{next: next, causes: &causes{}}
	b.causes.mu.of = make(map[string]*toldCause)
	return b
}

// Enabled implements slog.Handler.
func (b *bounded) Enabled(ctx context.Context, level slog.Level) bool {
	return b.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (b *bounded) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &bounded{b.next.WithAttrs(attrs), b.causes}
}

// WithGroup implements slog.Handler.
func (b *bounded) WithGroup(name string) slog.Handler {
	return &bounded{b.next.WithGroup(name), b.causes}
}

// Handle implements slog.Handler.
func (b *bounded) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return b.next.Handle(ctx, r)
	}
	leftOut, told := b.causes.take(cause(r), r, b.next)
	if !told {
		return nil
	}
	if leftOut > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int(leftOutKey, leftOut))
	}
	return b.next.Handle(ctx, r)
}

// take says whether a line is told, and how many like it were not since the last.
func (c *causes) take(key string, r slog.Record, to slog.Handler) (leftOut int, told bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.mu.of[key]
	if t == nil {
		if len(c.mu.of) >= causesMax {
			clear(c.mu.of) // their counts are still told: see leaveOut
		}
		t = &toldCause{limit: limitOf(r.Level)}
		c.mu.of[key] = t
	}
	if !t.limit.AllowN(r.Time, 1) {
		c.leaveOut(t, r, to)
		return 0, false
	}
	leftOut, t.leftOut = t.leftOut, 0
	return leftOut, true
}

// leaveOut counts a line, and has the count told when it has waited for long enough.
func (c *causes) leaveOut(t *toldCause, r slog.Record, to slog.Handler) {
	t.leftOut++
	t.last, t.to = r.Clone(), to
	if !t.pending {
		t.pending = true
		time.AfterFunc(leftOutAfter, func() { c.tellLeftOut(t) })
	}
}

// tellLeftOut tells the last of the lines that were left out, and how many they were.
func (c *causes) tellLeftOut(t *toldCause) {
	c.mu.Lock()
	leftOut, r, to := t.leftOut, t.last, t.to
	t.leftOut, t.pending, t.last, t.to = 0, false, slog.Record{}, nil
	c.mu.Unlock()
	if leftOut == 0 {
		return
	}
	if leftOut > 1 { // but this one
		r.AddAttrs(slog.Int(leftOutKey, leftOut-1))
	}
	_ = to.Handle(context.Background(), r)
}
