package broker

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
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

// registeredEpoch is the leader's present broker epoch; 0: it is not registered.
func (w *fetcher) registeredEpoch() protocol.BrokerEpoch {
	b, _ := w.all.srv.cluster.Image().Broker(w.leader)
	return b.Epoch
}

// hear notes that the leader has answered. A conversation may last over many of
// its broker epochs: one that was fenced for nothing goes on to answer.
func (w *fetcher) hear() {
	w.heard = w.registeredEpoch()
	if w.suspects {
		w.suspects = false
		w.all.srv.cluster.Trust(w.leader)
	}
}

// suspect tells the cluster that the leader is silent, if it has answered in this
// epoch. One that never did may be behind a door that is closed to this broker alone,
// and would be suspected in each epoch for as long as the door is closed.
func (w *fetcher) suspect(err error) {
	if epoch := w.registeredEpoch(); silent(err) && epoch != 0 && w.heard == epoch {
		w.suspects = true
		w.all.srv.cluster.Suspect(w.leader, epoch)
	}
}
