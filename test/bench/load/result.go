package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what one Run saw. Bytes are those of record batches, headers and
// all: what a log grows by; a stock client, which makes its own batches, counts
// values.
type Result struct {
	Requests int64
	Records  int64
	Bytes    int64
	Elapsed  time.Duration
	Latency  *hdrhistogram.Histogram // nanoseconds
}

// newLatency covers 1 us to a minute with three digits.
func newLatency() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(time.Microsecond), int64(time.Minute), 3)
}

// record takes a latency; what is off the scale counts as its end.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	if h.RecordValue(int64(d)) != nil {
		_ = h.RecordValue(int64(time.Minute))
	}
}

// Add merges another Run's counts, its time and its latencies.
func (r *Result) Add(o Result) {
	r.join(o)
	r.Elapsed += o.Elapsed
}

// join merges a part of the same Run, whose time is not added.
func (r *Result) join(o Result) {
	r.Requests += o.Requests
	r.Records += o.Records
	r.Bytes += o.Bytes
	if r.Latency == nil {
		r.Latency = newLatency()
	}
	if o.Latency != nil {
		r.Latency.Merge(o.Latency)
	}
}

// RecordsPerSecond is 0 when nothing was measured.
func (r Result) RecordsPerSecond() float64 { return perSecond(r.Records, r.Elapsed) }

// RequestsPerSecond is 0 when nothing was measured.
func (r Result) RequestsPerSecond() float64 { return perSecond(r.Requests, r.Elapsed) }

// MegabytesPerSecond counts batch bytes in units of 10^6.
func (r Result) MegabytesPerSecond() float64 { return perSecond(r.Bytes, r.Elapsed) / 1e6 }

// Quantile is a latency percentile, 0 to 100.
func (r Result) Quantile(q float64) time.Duration {
	if r.Latency == nil {
		return 0
	}
	return time.Duration(r.Latency.ValueAtQuantile(q))
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
