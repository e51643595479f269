package serve

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rateLimited is a slog.Handler that logs each cause a few times at once, then seldom,
// and how often it was suppressed: a disk that fails is one cause for each partition
// on it, and a scanner of ports for each of its connections. Nothing is lost that
// metrics and /v1/cluster/health do not have.
//
// Handlers made by WithAttrs and WithGroup share what is known of the causes.
type rateLimited struct {
	next   slog.Handler
	causes *causes
}

// causes is what was logged lately.
type causes struct {
	mu struct {
		sync.Mutex
		of map[string]*causeState // at most causesMax
	}
}

// causeState is one of them.
type causeState struct {
	limit      *rate.Limiter
	suppressed int
	last       slog.Record  // the last one that was suppressed
	to         slog.Handler // where it would have gone
	pending    bool         // its count is about to be logged
}

const (
	causesMax = 1000
	// suppressedAfter is how long a count of lines waits for more of them.
	suppressedAfter = 10 * time.Second
	leftOutKey      = "left_out"
)

// What is wrong is logged five times and then twice a minute, what happened fifty
// times and then once a second.
func limitOf(level slog.Level) *rate.Limiter {
	if level >= slog.LevelWarn {
		return rate.NewLimiter(rate.Every(30*time.Second), 5)
	}
	return rate.NewLimiter(rate.Every(time.Second), 50)
}

func newRateLimited(next slog.Handler) *rateLimited {
	b := &rateLimited{next: next, causes: &causes{}}
	b.causes.mu.of = make(map[string]*causeState)
	return b
}

// Enabled implements slog.Handler.
func (b *rateLimited) Enabled(ctx context.Context, level slog.Level) bool {
	return b.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (b *rateLimited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &rateLimited{b.next.WithAttrs(attrs), b.causes}
}

// WithGroup implements slog.Handler.
func (b *rateLimited) WithGroup(name string) slog.Handler {
	return &rateLimited{b.next.WithGroup(name), b.causes}
}

// Handle implements slog.Handler.
func (b *rateLimited) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return b.next.Handle(ctx, r)
	}
	suppressed, allowed := b.causes.allow(cause(r), r, b.next)
	if !allowed {
		return nil
	}
	if suppressed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int(leftOutKey, suppressed))
	}
	return b.next.Handle(ctx, r)
}

// allow says whether a line is logged, and how many like it were not since the last.
func (c *causes) allow(key string, r slog.Record, to slog.Handler) (suppressed int, allowed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.mu.of[key]
	if t == nil {
		if len(c.mu.of) >= causesMax {
			clear(c.mu.of) // their counts are still logged: see suppress
		}
		t = &causeState{limit: limitOf(r.Level)}
		c.mu.of[key] = t
	}
	if !t.limit.AllowN(r.Time, 1) {
		c.suppress(t, r, to)
		return 0, false
	}
	suppressed, t.suppressed = t.suppressed, 0
	return suppressed, true
}

// suppress counts a line, and has the count logged when it has waited for long enough.
func (c *causes) suppress(t *causeState, r slog.Record, to slog.Handler) {
	t.suppressed++
	t.last, t.to = r.Clone(), to
	if !t.pending {
		t.pending = true
		time.AfterFunc(suppressedAfter, func() { c.logSuppressed(t) })
	}
}

// logSuppressed logs the last of the lines that were suppressed, and how many they were.
func (c *causes) logSuppressed(t *causeState) {
	c.mu.Lock()
	suppressed, r, to := t.suppressed, t.last, t.to
	t.suppressed, t.pending, t.last, t.to = 0, false, slog.Record{}, nil
	c.mu.Unlock()
	if suppressed == 0 {
		return
	}
	if suppressed > 1 { // but this one
		r.AddAttrs(slog.Int(leftOutKey, suppressed-1))
	}
	_ = to.Handle(context.Background(), r)
}
