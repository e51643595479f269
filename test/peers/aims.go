package main

// ref names a cell.
type ref struct{ workload, label string }

// aim is what the project has set itself: a figure, or its ratio to the same
// figure of a base.
type aim struct {
	text   string
	of     ref
	base   ref // zero: the figure itself
	figure func(measurement) float64
	atMost bool
	goal   float64
}

const hot8 = "hot/8/nosync"

var aims = []aim{
	{"8 writers on one lock: commits/s against NATS", ref{hot8, labelLockstep}, ref{hot8, labelNATS}, rate, false, 3},
	{"  against NATS that backs off", ref{hot8, labelLockstep}, ref{hot8, labelBackoff}, rate, false, 3},
	{"  tries a commit", ref{hot8, labelLockstep}, ref{}, tries, true, 1.5},
	{"  p99 against NATS", ref{hot8, labelLockstep}, ref{hot8, labelNATS}, p99, true, 0.3},
	{"  p99 against NATS that backs off", ref{hot8, labelLockstep}, ref{hot8, labelBackoff}, p99, true, 0.3},
	{"  32 writers: commits/s against 8", ref{"hot/32/nosync", labelLockstep}, ref{hot8, labelLockstep}, rate, false, 0.7},
	{"one client, asynchronous: writes/s against NATS", ref{"async/nosync", labelLockstep}, ref{"async/nosync", labelNATS}, rate, false, 12},
	{"  with fsync", ref{"async/fsync", labelLockstep}, ref{"async/fsync", labelNATS}, rate, false, 4},
	{"one in flight: p50 against NATS", ref{"single/nosync", labelLockstep}, ref{"single/nosync", labelNATS}, p50, true, 1},
	{"  with fsync", ref{"single/fsync", labelLockstep}, ref{"single/fsync", labelNATS}, p50, true, 1},
	{"8 locks in one step: writes/s against NATS", ref{"atomic8/nosync", labelLockstep}, ref{"atomic8/nosync", labelNATS}, rate, false, 100},
	{"one lock: appends/s against plain kgo, fsync", ref{"own/fsync", labelLocks(1)}, ref{"own/fsync", labelPlain}, rate, false, 0.9},
	{"  without fsync", ref{"own/nosync", labelLocks(1)}, ref{"own/nosync", labelPlain}, rate, false, 0.9},
	{"two locks: broker CPU against plain kgo, fsync", ref{"own/fsync", labelLocks(2)}, ref{"own/fsync", labelPlain}, cost, true, 1.25},
	{"  without fsync", ref{"own/nosync", labelLocks(2)}, ref{"own/nosync", labelPlain}, cost, true, 1.25},
	{"eight locks: broker CPU against plain kgo, fsync", ref{"own/fsync", labelLocks(8)}, ref{"own/fsync", labelPlain}, cost, true, 1.8},
	{"  without fsync", ref{"own/nosync", labelLocks(8)}, ref{"own/nosync", labelPlain}, cost, true, 1.8},
	{"1 % refused: admitted/s against none", ref{"refused/fsync", labelRefused}, ref{"refused/fsync", labelNone}, rate, false, 0.8},
}

// measured is the aim's figure; ok is false if it was not measured.
func (a aim) measured(r *report) (spread, bool) {
	of, base := r.cell(a.of), r.cell(a.base)
	switch {
	case of == nil || base == nil && a.base != (ref{}):
		return spread{}, false
	case base == nil:
		return of.spread(a.figure)
	}
	return of.versus(base, a.figure)
}

// verdict is the median's; it says so when a pair of neighbours differs.
func (a aim) verdict(s spread) string {
	good := func(v float64) bool { return v == a.goal || a.atMost == (v < a.goal) }
	switch {
	case good(s.least) && good(s.most):
		return "met"
	case good(s.median):
		return "met, not in every pair"
	case good(s.least) || good(s.most):
		return "missed, not in every pair"
	}
	return "missed"
}
