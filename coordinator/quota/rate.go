package quota

// A rate is measured as Kafka measures it: over eleven samples of a second, of which
// ten at least count as gone by, so that a client may burst what its limit gives it in
// ten seconds.
const (
	sampleMs = 1000
	samples  = 11
	windowMs = samples * sampleMs
	leastMs  = (samples - 1) * sampleMs
	// ThrottleMaxMs is the longest that a client is to wait.
	ThrottleMaxMs = windowMs
)

// Rate is what somebody used in the last seconds. The zero value has used nothing. It
// is of one goroutine.
type Rate struct {
	used   [samples]float64
	from   [samples]int64 // when each sample began; a multiple of sampleMs
	lastMs int64
}

// Use notes what was used now, and returns for how many milliseconds who used it is to
// wait, so that what he has used is within the limit again.
func (r *Rate) Use(amount, limit float64, nowMs int64) (waitMs int64) {
	at := nowMs / sampleMs
	i := at % samples
	if r.from[i] != at*sampleMs {
		r.used[i], r.from[i] = 0, at*sampleMs
	}
	r.used[i] += amount
	r.lastMs = max(r.lastMs, nowMs)
	total, oldest := 0.0, nowMs
	for j := range r.used {
		if r.from[j] > nowMs-windowMs && r.used[j] > 0 {
			total, oldest = total+r.used[j], min(oldest, r.from[j])
		}
	}
	elapsed := float64(max(nowMs-oldest, leastMs))
	// At the limit, what was used would have taken this long.
	wait := total/limit*1000 - elapsed
	if wait <= 0 {
		return 0
	}
	return max(1, int64(min(wait, ThrottleMaxMs)))
}

// Idle reports whether nothing of it counts any more.
func (r *Rate) Idle(nowMs int64) bool { return nowMs-r.lastMs > windowMs }
