package replication

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// sessionAnswer is a leader's answer to its follower. Records go from the log's
// file to the socket, up to the log's end: a follower has what it is to help
// commit.
//
// The log's end is not as firm as its high watermark. A broker that has ceased
// to lead may cut it off and write there anew; so before the last bytes of an
// answer go out, each partition must still be led in the epoch that was asked
// for. If one is not, the answer is never completed.
type sessionAnswer struct {
	fetching.Answer
	session *Session
	led     []ledPart // of Parts
}

var _ transport.Streamed = (*sessionAnswer)(nil)

// ledPart is a partition and the epoch that it must be led in.
type ledPart struct {
	host  *partitions.Partition
	epoch protocol.LeaderEpoch
}

// newAnswer is the empty answer, which is the heartbeat.
func (ps *Session) newAnswer() *sessionAnswer {
	return &sessionAnswer{session: ps, Answer: fetching.Answer{Version: FetchVersion}}
}

// finish answers the parked request.
func (ps *Session) finish(a *sessionAnswer) {
	x := ps.parked.x
	ps.parked, ps.due = nil, false
	ps.heartbeat.Stop()
	x.Finish(a)
}

// answer answers the parked request, if there is something to say or its time is up.
func (ps *Session) answer() {
	if ps.parked == nil {
		return
	}
	a := ps.newAnswer()
	left := ps.fill(a, &ps.inSync, ps.parked.bytesMax)
	ps.fillThrottled(a, min(left, laggingBytesMax))
	if len(a.Parts) > 0 || ps.due {
		ps.finish(a)
	}
}

// fillThrottled adds what the followers that are not in sync may have.
func (ps *Session) fillThrottled(a *sessionAnswer, left int) {
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
		ps.throttle.Reset(watermarkDelay)
		return
	}
	before := a.Bytes
	ps.fill(a, &ps.lagging, left)
	// A first batch that is larger than the tokens makes a debt.
	for _, limit := range limits {
		for spent := a.Bytes - before; spent > 0; spent -= limit.Burst() {
			limit.ReserveN(now, min(spent, limit.Burst()))
		}
	}
}

// limits are what bounds the bytes for this follower's replicas that are not in sync:
// this broker's limit as a leader, over all followers, and the follower's own.
func (ps *Session) limits() (limits []*rate.Limiter) {
	if limit := ps.all.throttle.Load(); limit != nil {
		limits = append(limits, limit)
	}
	if wanted := ps.all.throttleOfFollower(ps.from.ID); wanted != ps.ownRate {
		ps.ownRate, ps.ownLimit = wanted, throttleOf(wanted)
	}
	if ps.ownLimit != nil {
		limits = append(limits, ps.ownLimit)
	}
	return limits
}

// fill adds the partitions of a queue in turn, and returns how many bytes more
// the answer may hold.
func (ps *Session) fill(a *sessionAnswer, q *partitionQueue, left int) int {
	for left > 0 && len(a.Parts) < listedMax {
		part := q.pop()
		if part == nil {
			break
		}
		n, whole := ps.add(a, part, min(left, partitionBytesMax))
		if !whole {
			q.pushFront(part)
			break
		}
		left -= n
	}
	return max(0, left)
}

// add adds a partition to the answer. It reports false when its next batch is
// larger than what is left: it must be the first of an answer.
func (ps *Session) add(a *sessionAnswer, part *sessionPartition, bytesMax int) (n int, whole bool) {
	out := fetching.NewPart(part.id.Index)
	switch said := &part.answer; {
	case said.Err != nil:
		out.Code, out.HighWatermark, out.LastStable, out.LogStart = ps.all.code(said.Err), said.HighWatermark, said.HighWatermark, said.LogStart
		if part.topic == nil {
			out.Code = kerr.UnknownTopicID.Code
		}
	case said.Diverging:
		out.HighWatermark, out.LastStable, out.LogStart = said.HighWatermark, said.HighWatermark, said.LogStart
		out.Diverging = &fetching.Divergence{Epoch: said.DivergingEpoch, End: said.DivergingEnd}
	default:
		out.Round = max(said.Round, part.host.Round())
		log := fetching.Log{Partition: part.host}
		out.At(log)
		end := log.Below(fetching.LogEnd)
		err := out.Read(log, part.fetch.Offset, end, bytesMax, a.Bytes == 0)
		switch {
		case errors.Is(err, segment.ErrOffsetOutOfRange):
			part.ask() // the log's start has passed it; the loop says so
			return 0, true
		case err != nil:
			out.Release()
			out.Code, out.Bytes = ps.all.code(err), 0
		case out.Bytes == 0 && part.fetch.Offset < end && a.Bytes > 0:
			return 0, false
		}
	}
	part.state, part.toldHW, part.toldStart = fetchIdle, out.HighWatermark, max(part.toldStart, out.LogStart)
	if !part.host.IsOpen() {
		part.leave() // nothing is kept of what is not here
		delete(ps.parts, part.id)
	}
	a.Add(part.id.Topic, "", out)
	a.led = append(a.led, ledPart{part.host, part.fetch.Epoch})
	return out.Bytes, true
}

// fenced reports whether part i may hold bytes of another leader's.
func (a *sessionAnswer) fenced(i int) bool {
	if a.Parts[i].Code != 0 {
		return false
	}
	st := a.led[i].host.State()
	return st.Role != replica.RoleLeader || st.Epoch != a.led[i].epoch
}

// fence turns what may not be sent into an error, and reports whether there was any.
func (a *sessionAnswer) fence() (found bool) {
	for i := range a.Parts {
		if !a.fenced(i) {
			continue
		}
		found = true
		a.Drop(i)
		part := &a.Parts[i]
		part.Code, part.Diverging = a.session.all.code(replica.ErrNotLeader), nil
	}
	return found
}

// Encode appends the answer, without what may not be sent any more.
func (a *sessionAnswer) Encode(dst []byte, h protocol.Header) ([]byte, error) {
	a.fence()
	before := len(dst)
	for {
		out, err := a.Answer.Encode(dst[:before], h)
		if err != nil || a.TailBytes() > 0 || !a.fence() {
			return out, err
		}
		dst = out
	}
}

// WriteTail completes the answer only if all of it was right until its last byte.
func (a *sessionAnswer) WriteTail(c *transport.Conn) error {
	return a.Answer.WriteTail(c, func() error {
		for i := range a.Parts {
			if a.fenced(i) {
				return errFenced
			}
		}
		return nil
	})
}

// Release lets go of what the records lie in.
func (a *sessionAnswer) Release() {
	a.session.unsent.Add(-1)
	a.session.all.o.BytesSent(a.Bytes)
	a.Answer.Release()
}
