package broker

import (
	"math"
	"time"
)

// nowMs is the wall clock in milliseconds since 1970, as records carry it.
func nowMs() int64 { return time.Now().UnixMilli() }

// addClamped adds two numbers and stays in range.
func addClamped(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

var processStart = time.Now()

// sinceStartMs is a clock that is never set back, in milliseconds.
func sinceStartMs() int64 { return time.Since(processStart).Milliseconds() }
