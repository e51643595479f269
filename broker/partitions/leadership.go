package partitions

import (
	"time"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// proofTimeoutMs is how long an answer that rests on what is not in a log waits for
// the proof that the partition is led here. A follower in touch gives it within a
// round trip; without one the client is to ask elsewhere.
const proofTimeoutMs = 1000

// LeadershipProof says whether this broker led a partition in an epoch when it was
// asked for. An answer that something is not in the log needs it, where whoever asks
// may have read from a later leader: the log of a leader that was deposed, and
// has not heard of it, ends before what its successor has committed since.
//
// Nothing that an epoch of the past wrote needs one: what was committed before
// this broker was elected is in its log, whoever leads by now.
type LeadershipProof chan error

// ProveLeadership asks for the proof; Wait tells the outcome.
func (p *Partition) ProveLeadership(in protocol.LeaderEpoch) LeadershipProof {
	outcome := make(LeadershipProof, 1)
	p.ConfirmLeadership(proofTimeoutMs, func(epoch protocol.LeaderEpoch, err error) {
		if err == nil && epoch != in {
			err = replica.ErrNotLeader // what was looked up in one epoch is not told in another
		}
		outcome <- err
	})
	return outcome
}

// Wait returns nil, or ErrNotLeader. It has a timer of its own, because nobody
// tells partitions that time passes once a broker stops, and a reader that waited
// for ever would keep it from stopping.
func (p LeadershipProof) Wait() error {
	late := time.NewTimer(2 * proofTimeoutMs * time.Millisecond)
	defer late.Stop()
	select {
	case err := <-p:
		return err
	case <-late.C:
		return replica.ErrNotLeader
	}
}
