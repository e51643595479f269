package replication

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// errSelfStalled: the time for an answer ran out while this process did not run, so
// that its end says nothing of the leader.
var errSelfStalled = errors.New("this broker itself was not running")

// lateTimerMax is by how much a timer of a process that runs may be late.
const lateTimerMax = 250 * time.Millisecond

// silenceReader reads from a leader that must not fall silent.
type silenceReader struct{ net.Conn }

func (p silenceReader) Read(b []byte) (int, error) {
	end := time.Now().Add(silenceMax)
	p.SetReadDeadline(end)
	n, err := p.Conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) && time.Since(end) > lateTimerMax {
		err = errSelfStalled
	}
	return n, err
}

// silent reports whether a connection, or a dial, ended because nothing came.
func silent(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, syscall.EHOSTUNREACH)
}

// registeredEpoch is the leader's present broker epoch; 0: it is not registered.
func (w *fetcher) registeredEpoch() protocol.BrokerEpoch {
	b, _ := w.all.o.Cluster.Image().Broker(w.leader)
	return b.Epoch
}

// noteAnswer notes that the leader has answered. A connection may last over many of
// its broker epochs: one that was fenced for nothing goes on to answer.
func (w *fetcher) noteAnswer() {
	w.answeredIn = w.registeredEpoch()
	if w.suspected {
		w.suspected = false
		w.all.o.Cluster.Trust(w.leader)
	}
}

// reportSilence tells the cluster that the leader is silent, if it has answered in this
// epoch. One that never did may be behind a firewall that is closed to this broker
// alone, and would be suspected in each epoch for as long as that is so.
func (w *fetcher) reportSilence(err error) {
	if epoch := w.registeredEpoch(); silent(err) && epoch != 0 && w.answeredIn == epoch {
		w.suspected = true
		w.all.o.Cluster.Suspect(w.leader, epoch)
	}
}
