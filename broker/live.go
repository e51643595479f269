package broker

import (
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/coordinator/settings"
)

// live is this broker's own settings that may change while it runs. The reconciler
// stores them, before anything opens and when the Image has others; everyone reads them.
type live struct {
	settings atomic.Pointer[settings.Broker]
	changed  chan struct{} // holds one signal at most, for compaction
	// compactPace is what compaction reads and writes, over all partitions.
	compactPace *rate.Limiter
}

func newLive() *live {
	l := &live{changed: make(chan struct{}, 1), compactPace: rate.NewLimiter(0, compactBurst)}
	l.settings.Store(&settings.Broker{})
	return l
}

// now are the settings in force.
func (l *live) now() *settings.Broker { return l.settings.Load() }

// takeSettings takes the broker's settings of this moment into force.
func (s *Server) takeSettings() {
	b, err := settings.ParseBroker(s.brokerLayers()...)
	if err != nil {
		s.log.Error("broker settings do not parse; their defaults stand", "error", err)
	}
	if *s.live.settings.Swap(&b) == b {
		return
	}
	s.live.compactPace.SetLimit(rate.Limit(b.CleanerBytesPerSecond))
	s.followers.setThrottle(b.LeaderThrottledRate)
	select {
	case s.live.changed <- struct{}{}:
	default:
	}
}
