package attack

import (
	"io"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestALengthThatNoFrameHasClosesTheConnection(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	for length, why := range map[int32]string{
		-1:          "frame length -1 is negative",
		-1 << 31:    "is negative",
		0:           "frame length is zero",
		1<<31 - 1:   "over the limit",
		100<<20 + 1: "over the limit",
		0x47455420:  "the client speaks HTTP, which is served at http://" + v.http,
		0x504f5354:  "the client speaks HTTP", // POST
		0x16030102:  "the client speaks TLS, and listener \\\"PLAINTEXT\\\" is plain text",
		0x50524f58:  "PROXY protocol",
	} {
		s := v.dial()
		s.send(append(claimed(length), "some more bytes"...))
		s.refused(why)
	}
	b.stillServed()
}

func TestAFrameThatEndsEarlyClosesTheConnection(t *testing.T) {
	v := attacked(t)
	whole := request(kmsg.NewPtrMetadataRequest(), 9)
	for n := 1; n < len(whole); n++ {
		s := v.dial()
		s.send(whole[:n])
		s.nc.CloseWrite()
		if b := s.answer(); b != nil {
			t.Errorf("%d bytes of %d were answered", n, len(whole))
		}
		s.saidOnce("unexpected EOF")
	}
}

// A claim costs its claimer's bytes, not the broker's memory.
func TestClaimsOf100MiBHoldNoMemoryBeforeTheirBytesCome(t *testing.T) {
	t.Parallel()
	p := attackedProcess(t)
	b := p.bystand()
	const connections, bound = 500, 64 << 20
	before := p.memory()
	sent := append(claimed(100<<20), rawHeader(0, 9, true)...)
	for i := range connections {
		s := p.dial()
		s.send(append(sent, make([]byte, i%2*8000)...))
	}
	b.progress()
	grown := p.memory() - before
	t.Logf("%d claims of 100 MiB: %d KiB each", connections, grown/connections>>10)
	if grown > bound {
		t.Errorf("%d MiB for %d claims, want %d at most", grown>>20, connections, bound>>20)
	}
	b.stillServed()
}

// Goal: whoever fills the budget does not keep it. Method: a budget of 16 MiB,
// filled with claims whose first step has come, and a client that needs as much.
func TestClaimsThatStallGiveWayToThoseWhoSend(t *testing.T) {
	t.Parallel()
	v := attacked(t, func(c *broker.Config) { c.RequestBytesMax, c.FramesBytesMax = 8<<20, 16<<20 })
	b := v.bystand()
	const attackers = 8
	var all []*socket
	for range attackers {
		s := v.dial()
		s.send(append(claimed(4<<20), append(rawHeader(0, 9, true), make([]byte, 20<<10)...)...))
		all = append(all, s)
	}
	honest := v.dial()
	honest.send(rawRequest(0, 9, true, make([]byte, 4<<20-100)))
	honest.refused("Produce v9") // it arrived as a whole, and was read: that is all that is asked here
	cut := 0
	for _, s := range all {
		cut += v.log.count("from="+s.nc.LocalAddr().String()+" ", "too slowly")
	}
	if cut == 0 {
		t.Errorf("no stalled claim gave way")
	}
	t.Logf("%d of %d stalled claims gave way", cut, attackers)
	b.stillServed()
}

func TestARequestByteByByteIsAnsweredIfItComesInTime(t *testing.T) {
	v := attacked(t)
	s := v.dial()
	s.nc.SetNoDelay(true)
	for _, c := range request(kmsg.NewPtrMetadataRequest(), 9) {
		s.send([]byte{c})
	}
	if s.answer() == nil {
		t.Errorf("closed")
	}
}

func TestASlowFrameIsClosedAfterTheFrameTimeout(t *testing.T) {
	t.Parallel()
	v := attacked(t, func(c *broker.Config) { c.FrameTimeout = 200 * time.Millisecond })
	b := v.bystand()
	for name, first := range map[string][]byte{
		"in its length": {0},
		"in its body":   claimed(1000),
		"in the middle": append(claimed(150<<10), make([]byte, 100<<10)...),
	} {
		t.Run(name, func(t *testing.T) {
			s := v.dial()
			s.t = t
			s.send(first)
			drip := time.NewTicker(10 * time.Millisecond)
			defer drip.Stop()
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				io.Copy(io.Discard, s.nc)
			}()
			for open := true; open; {
				select {
				case <-drip.C:
					if len(first) > 1 {
						s.send([]byte{0})
					}
				case <-closed:
					open = false
				}
			}
			s.saidOnce("timeout")
		})
	}
	b.stillServed()
}

func TestAnIdleConnectionIsClosedInSilence(t *testing.T) {
	t.Parallel()
	v := attacked(t, func(c *broker.Config) { c.IdleTimeout = 100 * time.Millisecond })
	s := v.dial()
	s.alive()
	if s.answer() != nil {
		t.Errorf("an answer to nothing")
	}
	if n := v.log.count("from=" + s.nc.LocalAddr().String()); n != 0 {
		t.Errorf("%d lines about an idle connection", n)
	}
}

func TestAHalfClosedConnectionGetsItsAnswers(t *testing.T) {
	v := attacked(t)
	s := v.dial()
	const n = 10
	for range n {
		s.send(request(kmsg.NewPtrMetadataRequest(), 9))
	}
	s.nc.CloseWrite()
	for i := range n {
		if s.answer() == nil {
			t.Fatalf("closed after %d answers of %d", i, n)
		}
	}
	if s.answer() != nil {
		t.Errorf("an answer too many")
	}
}

func TestAnAttackerOverTheConnectionLimitIsTurnedAway(t *testing.T) {
	v := attacked(t, func(c *broker.Config) { c.ConnectionsMax = 20 })
	var all []*socket
	for range 20 {
		s := v.dial()
		s.alive()
		all = append(all, s)
	}
	if s := v.dial(); s.answer() != nil {
		t.Errorf("the connection over the limit was served")
	}
	all[0].nc.Close()
	eventually(t, "a place is free again", func() bool {
		s, err := v.tryDial()
		if err != nil {
			return false
		}
		defer s.nc.Close()
		s.send(request(kmsg.NewPtrApiVersionsRequest(), 0))
		return s.answer() != nil
	})
	for _, s := range all[1:] {
		s.alive()
	}
}
