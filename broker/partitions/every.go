package partitions

import (
	"context"
	"time"
)

// Every calls f at each interval, until ctx ends. A call that takes longer than the
// interval is followed by the next one at once, and by no more than that.
func Every(ctx context.Context, interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}
