package broker

import (
	"sync/atomic"

	"github.com/lockstep-log/lockstep/coordinator/settings"
)

// live is this broker's own settings that may change while it runs. The reconciler
// stores them, before anything opens and when the Image has others; everyone reads them.
type live struct {
	settings atomic.Pointer[settings.Broker]
}

func newLive() *live {
	l := &live{}
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
	s.hosted.ApplySettings(&b)
	s.sessions.SetThrottle(b.LeaderThrottledRate)
}
