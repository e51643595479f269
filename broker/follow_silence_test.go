package broker

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Goal: a process that is stopped is known by its silence, whatever it leads,
// and in each life once. Method: broker 9 is an impostor, which leads nothing
// and whose lease does not lapse.
func TestASilentBrokerIsBuriedByAllOthers(t *testing.T) {
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
			f := p.followers
			f.mu.Lock()
			defer f.mu.Unlock()
			w := f.mu.fetchers[9]
			return w != nil && w.answered > 0
		})
	}
	silent.Store(true)
	ps.await("broker 9 to be buried, and to begin a new life", func() bool {
		b, live := ps.all[1].cluster.Image().Broker(9)
		return live && b.Epoch > before
	})
	silent.Store(false)
	for _, p := range ps.all {
		ps.await("broker 9 to be trusted", func() bool { return len(p.cluster.Image().Suspecting(9)) == 0 })
	}
}

// What is a leader's silence, and what is this broker's own matter.
func TestWhatCountsAsSilence(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("read: %w", os.ErrDeadlineExceeded):                                  true,
		&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}:                             true,
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}: true,
		&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}:                             false,
		&net.OpError{Op: "read", Err: syscall.ECONNRESET}:                               false,
		errStoodStill:    false,
		errNotRegistered: false,
	} {
		if got := silent(err); got != want {
			t.Errorf("%v: silent is %v", err, got)
		}
	}
}
