package broker

import (
	"time"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// absencePatienceMs is how long an answer that rests on what is not in a log
// waits for the proof that the partition is led here. A follower in touch gives
// it within a round trip; without one the client is to ask elsewhere.
const absencePatienceMs = 1000

// proof says whether this broker led a partition in an epoch when it was asked
// for. An answer that something is not in the log needs it, where whoever asks
// may have read from a later leader: the log of a leader that was deposed, and
// has not heard of it, ends before what its successor has committed since.
//
// Nothing that an epoch of the past wrote needs one: what was committed before
// this broker was elected is in its log, whoever leads by now.
type proof chan error

// proveLeadership asks for the proof; wait tells the outcome.
func (p *partition) proveLeadership(in protocol.LeaderEpoch) proof {
	outcome := make(proof, 1)
	p.Confirm(absencePatienceMs, func(epoch protocol.LeaderEpoch, err error) {
		if err == nil && epoch != in {
			err = replica.ErrNotLeader // what was looked up in one epoch is not told in another
		}
		outcome <- err
	})
	return outcome
}

// wait returns nil, or ErrNotLeader. It has a timer of its own, because nobody
// tells partitions that time passes once a broker stops, and a reader that waited
// for ever would keep it from stopping.
func (p proof) wait() error {
	late := time.NewTimer(2 * absencePatienceMs * time.Millisecond)
	defer late.Stop()
	select {
	case err := <-p:
		return err
	case <-late.C:
		return replica.ErrNotLeader
	}
}

// absent notes that the answer for a partition says that something is not in its
// log. A follower cannot tell: the leader may have it.
func (part *fetchedPart) absent(st *replica.State) error {
	if st.Role != replica.RoleLeader || st.Doubted {
		return replica.ErrNotLeader
	}
	part.unproven, part.epoch = true, st.Epoch
	return nil
}

// prove waits until it is known of each answer about an absence whether it may be
// given. All proofs are asked for at once, so that they take no longer than one.
func (f *fetched) prove() {
	var proofs []proof
	for i := range f.seen {
		if part := &f.seen[i]; part.unproven {
			proofs = append(proofs, part.host.proveLeadership(part.epoch))
		}
	}
	if proofs == nil {
		return
	}
	for i := range f.seen {
		part := &f.seen[i]
		if !part.unproven {
			continue
		}
		if err := proofs[0].wait(); err != nil {
			f.Parts[i].Code, f.Parts[i].Diverging = codeOf(err), nil
		}
		part.unproven, proofs = false, proofs[1:]
	}
}
