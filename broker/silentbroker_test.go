package broker

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Goal: a process that is stopped is known by its silence, whatever it leads,
// and in each broker epoch once. Method: broker 9 is an impostor, which leads nothing
// and whose lease does not lapse.
func TestASilentBrokerIsFencedByAllOthers(t *testing.T) {
	ps := startPeers(t, 2, func(c *Config) { c.SessionTimeout = time.Hour })
	var silent atomic.Bool
	im := newImpostor(t, func(k int32) []byte {
		if silent.Load() {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
		return answerOf(kmsg.NewFetchResponse(), k)
	})
	nine := im.register(t, ps)
	before := nine.BrokerEpoch()
	for _, p := range ps.all {
		ps.await("broker 9 to be heard of", func() bool {
			return p.fetchers.HasAnswered(9)
		})
	}
	silent.Store(true)
	ps.await("broker 9 to be fenced, and to begin a new epoch", func() bool {
		b, live := ps.all[1].cluster.Image().Broker(9)
		return live && b.Epoch > before
	})
	silent.Store(false)
	for _, p := range ps.all {
		ps.await("broker 9 to be trusted", func() bool { return len(p.cluster.Image().Suspecting(9)) == 0 })
	}
}
