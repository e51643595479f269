package broker

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// peerAnswer is a leader's answer to its follower. Records go from the log's
// file to the socket, up to the log's end: a follower has what it is to help
// commit.
//
// The log's end is not as firm as its high watermark. A broker that has ceased
// to lead may cut it off and write there anew; so before the last bytes of an
// answer go out, each partition must still be led in the epoch that was asked
// for. If one is not, the answer is never completed.
type peerAnswer struct {
	fetched
	session *peerSession
	epochs  []protocol.LeaderEpoch // of parts
}

// newAnswer is the empty answer, which is the heartbeat.
func (ps *peerSession) newAnswer() *peerAnswer {
	return &peerAnswer{session: ps, fetched: fetched{version: peerFetchVersion}}
}

// finish answers the parked request.
func (ps *peerSession) finish(a *peerAnswer) {
	x := ps.parked.x
	ps.parked, ps.due = nil, false
	ps.heartbeat.Stop()
	x.finish(a)
}

// answer answers the parked request, if there is something to say or its time is up.
func (ps *peerSession) answer() {
	if ps.parked == nil {
		return
	}
	a := ps.newAnswer()
	left := ps.fill(a, &ps.inSync, ps.parked.bytesMax)
	ps.fillThrottled(a, min(left, peerLaggingBytes))
	if len(a.parts) > 0 || ps.due {
		ps.finish(a)
	}
}

// fillThrottled adds what the followers that are not in sync may have.
func (ps *peerSession) fillThrottled(a *peerAnswer, left int) {
	if len(ps.lagging.parts) == 0 {
		return
	}
	limits := ps.limits()
	if len(limits) == 0 {
		ps.fill(a, &ps.lagging, left)
		return
	}
	now := time.Now()
	for _, limit := range limits {
		left = min(left, int(limit.TokensAt(now)))
	}
	if left <= 0 {
		ps.throttle.Reset(peerWatermarkDelay)
		return
	}
	before := a.bytes
	ps.fill(a, &ps.lagging, left)
	// A first batch that is larger than the tokens makes a debt.
	for _, limit := range limits {
		for spent := a.bytes - before; spent > 0; spent -= limit.Burst() {
			limit.ReserveN(now, min(spent, limit.Burst()))
		}
	}
}

// limits are what bounds the bytes for this follower's replicas that are not in sync:
// this broker's limit as a leader, over all followers, and the follower's own.
func (ps *peerSession) limits() (limits []*rate.Limiter) {
	if limit := ps.srv.followers.throttle.Load(); limit != nil {
		limits = append(limits, limit)
	}
	if wanted := ps.srv.throttleOfFollower(ps.from.ID); wanted != ps.ownRate {
		ps.ownRate, ps.ownLimit = wanted, throttleOf(wanted)
	}
	if ps.ownLimit != nil {
		limits = append(limits, ps.ownLimit)
	}
	return limits
}

// throttleOfFollower is what another broker wants to be sent at most by each leader.
func (s *Server) throttleOfFollower(id protocol.BrokerID) int64 {
	im := s.cluster.Image()
	return settings.FollowerThrottledRate(
		settings.Layer{Source: settings.FromBroker, Values: im.BrokerConfigs(id)},
		settings.Layer{Source: settings.FromCluster, Values: im.ClusterConfigs()})
}

// fill adds the partitions of a queue in turn, and returns how many bytes more
// the answer may hold.
func (ps *peerSession) fill(a *peerAnswer, q *partQueue, left int) int {
	for left > 0 && len(a.parts) < peerListedMax {
		part := q.pop()
		if part == nil {
			break
		}
		n, whole := ps.add(a, part, min(left, peerPartitionBytes))
		if !whole {
			q.unpush(part)
			break
		}
		left -= n
	}
	return max(0, left)
}

// add adds a partition to the answer. It reports false when its next batch is
// larger than what is left: it must be the first of an answer.
func (ps *peerSession) add(a *peerAnswer, part *peerPart, bytesMax int) (n int, whole bool) {
	out := newFetchedPart(part.topic, part.host, part.id.Index)
	switch said := &part.answer; {
	case said.Err != nil:
		out.code, out.hw, out.start = peerCode(said.Err), said.HighWatermark, said.LogStart
		if part.topic == nil {
			out.code = kerr.UnknownTopicID.Code
		}
	case said.Diverging:
		out.hw, out.start = said.HighWatermark, said.LogStart
		out.diverging = &divergence{said.DivergingEpoch, said.DivergingEnd}
	default:
		out.hw, out.start = part.host.HighWatermark(), part.host.Start()
		out.round = max(said.Round, part.host.Round())
		end := part.host.End()
		err := out.read(part.host.Log(), part.fetch.Offset, end, bytesMax, a.bytes == 0)
		switch {
		case errors.Is(err, segment.ErrOffsetOutOfRange):
			part.ask() // the log's start has passed it; the loop says so
			return 0, true
		case err != nil:
			out.release()
			out.code, out.bytes = peerCode(err), 0
		case out.bytes == 0 && part.fetch.Offset < end && a.bytes > 0:
			return 0, false
		}
	}
	part.state, part.toldHW, part.toldStart = peerIdle, out.hw, max(part.toldStart, out.start)
	if !part.open() {
		part.leave() // nothing is kept of what is not here
		delete(ps.parts, part.id)
	}
	a.add(part.id.Topic, "", out)
	a.epochs = append(a.epochs, part.fetch.Epoch)
	return out.bytes, true
}

// fenced reports whether part i may hold bytes of another leader's.
func (a *peerAnswer) fenced(i int) bool {
	part := &a.parts[i]
	if part.code != 0 {
		return false
	}
	st := part.host.State()
	return st.Role != replica.RoleLeader || st.Epoch != a.epochs[i]
}

// fence turns what may not be sent into an error, and reports whether there was any.
func (a *peerAnswer) fence() (found bool) {
	for i := range a.parts {
		if !a.fenced(i) {
			continue
		}
		found = true
		part := &a.parts[i]
		a.bytes -= part.bytes
		part.release()
		part.code, part.bytes, part.diverging = peerCode(replica.ErrNotLeader), 0, nil
	}
	return found
}

func (a *peerAnswer) appendTo(dst []byte, h protocol.Header) ([]byte, error) {
	a.fence()
	before := len(dst)
	for {
		out, err := a.fetched.appendTo(dst[:before], h)
		if err != nil || a.cuts != nil || !a.fence() {
			return out, err
		}
		dst = out
	}
}

// writeTail completes the answer only if all of it was right until its last byte.
func (a *peerAnswer) writeTail(c *conn) error {
	return a.fetched.writeTailUnless(c, func() error {
		for i := range a.parts {
			if a.fenced(i) {
				return errPeerFenced
			}
		}
		return nil
	})
}

func (a *peerAnswer) release() {
	a.session.unsent.Add(-1)
	a.session.srv.followers.metrics.bytesOut.Add(float64(a.bytes))
	a.fetched.release()
}
