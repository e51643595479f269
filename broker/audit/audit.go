// Package audit writes down who was allowed or denied what: one line of JSON for each
// decision, with a bound on how many there are in a second. It decides nothing.
//
//   - An [Event] is one decision.
//   - A [Log] takes events from any goroutine. What is beyond the bound is left out, and
//     the next line says how many were: a client that is denied in a loop must fill
//     neither the disk nor the broker's time.
//
// A Log whose file cannot be written to goes on, and says so once a minute: whether a
// broker without an audit should serve is for its operator, who sees the gap.
package audit

import (
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// EventsMax is how many lines a second are written at most, and how many at once.
const EventsMax = 1000

// textBytesMax bounds each text of a line: what clients name themselves has no other.
const textBytesMax = 256

// Event is one decision. Principal is KIND:NAME, Host where the client is.
type Event struct {
	Principal string `json:"principal"`
	Host      string `json:"host"`
	Listener  string `json:"listener,omitempty"`
	Client    string `json:"client,omitempty"`    // as it calls itself
	Request   string `json:"request"`             // the API, or the HTTP path
	Operation string `json:"operation,omitempty"` // in the words of kafka-acls
	Resource  string `json:"resource,omitempty"`
	Name      string `json:"name,omitempty"`
	Allowed   bool   `json:"allowed"`
	Why       string `json:"why,omitempty"`
}

type line struct {
	Time string `json:"time"`
	Event
	LeftOut int64 `json:"left_out,omitempty"` // decisions since the line before, beyond the bound
}

// Log writes events.
type Log struct {
	log     *slog.Logger
	now     func() time.Time
	allowed bool
	limit   *rate.Limiter
	failed  rate.Sometimes

	mu struct {
		sync.Mutex
		out     *json.Encoder
		leftOut int64
	}
}

// Options of a Log.
type Options struct {
	Out     io.Writer
	Allowed bool             // what was allowed is written as well
	Logger  *slog.Logger     // is told that Out cannot be written to
	Now     func() time.Time // nil: time.Now
}

// New is a Log; nil without an Out.
func New(o Options) *Log {
	if o.Out == nil {
		return nil
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Log{
		log: o.Logger, now: o.Now, allowed: o.Allowed, limit: rate.NewLimiter(EventsMax, EventsMax),
		failed: rate.Sometimes{First: 1, Interval: time.Minute},
	}
	l.mu.out = json.NewEncoder(o.Out)
	return l
}

// Wants reports whether a decision of that outcome is written. l may be nil.
func (l *Log) Wants(allowed bool) bool { return l != nil && (!allowed || l.allowed) }

// Note writes an event, if it is wanted and within the bound.
func (l *Log) Note(e Event) {
	if !l.Wants(e.Allowed) {
		return
	}
	for _, text := range []*string{&e.Principal, &e.Client, &e.Request, &e.Name, &e.Why} {
		*text = shortened(*text)
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.limit.AllowN(now, 1) {
		l.mu.leftOut++
		return
	}
	if err := l.mu.out.Encode(line{now.UTC().Format(time.RFC3339Nano), e, l.mu.leftOut}); err != nil {
		l.mu.leftOut++
		l.failed.Do(func() { l.log.Error("the audit log cannot be written to", "error", err) })
		return
	}
	l.mu.leftOut = 0
}

func shortened(s string) string {
	if len(s) <= textBytesMax {
		return s
	}
	return s[:textBytesMax] + "…"
}
