package broker

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/lockstep-log/lockstep/replica"
)

// errStoodStill: the time for an answer ran out while this process did not run, so
// that its end says nothing of the leader.
var errStoodStill = errors.New("this broker itself stood still")

// peerLate is by how much a timer of a process that runs may be late.
const peerLate = 250 * time.Millisecond

// untilSilent reads from a leader that must not fall silent.
type untilSilent struct{ net.Conn }

func (p untilSilent) Read(b []byte) (int, error) {
	end := time.Now().Add(peerSilence)
	p.SetReadDeadline(end)
	n, err := p.Conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) && time.Since(end) > peerLate {
		err = errStoodStill
	}
	return n, err
}

// silent reports whether a conversation, or a dial, ended because nothing came.
func silent(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, syscall.EHOSTUNREACH)
}

// suspect tells the cluster that a leader's life is silent, which answered
// before. One that never did may be behind a door that is closed to this broker alone,
// and would be suspected in each life for as long as the door is closed.
func (w *fetcher) suspect(life replica.Member, err error) {
	if silent(err) && life.Incarnation != 0 && w.heard == life.Incarnation {
		w.suspects = true
		w.all.srv.cluster.Suspect(life.ID, life.Incarnation)
	}
}

// hear notes that a leader's life has answered.
func (w *fetcher) hear(life replica.Member) {
	w.heard = life.Incarnation
	if w.suspects {
		w.suspects = false
		w.all.srv.cluster.Trust(life.ID)
	}
}
