package broker

import (
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// queued is a session of broker 2 with partitions of topic a whose records wait
// for it: those of lag for a replica that is not in sync.
func queued(ps *peers, n int, lag func(int) bool) *peerSession {
	s := ps.all[1].Server
	t := s.hosted.Topic("a")
	session := &peerSession{srv: s, parts: map[protocol.TopicPartition]*peerPart{}, throttle: stoppedTimer(), heartbeat: stoppedTimer()}
	for i := range n {
		part := &peerPart{session: session, id: protocol.TopicPartition{Topic: t.ID, Index: int32(i)}, topic: t, host: t.Partition(int32(i)), state: peerReady}
		part.fetch = replica.Fetch{From: protocol.Member{ID: 2}, Epoch: part.host.Epoch()}
		session.parts[part.id] = part
		if lag(i) {
			session.lagging.push(part)
		} else {
			session.inSync.push(part)
		}
	}
	return session
}

// next is the indexes and the bytes of the session's next answer.
func (ps *peerSession) nextAnswer() (indexes []int32, bytes int) {
	a := ps.newAnswer()
	left := ps.fill(a, &ps.inSync, replication.AnswerBytesMax)
	ps.fillThrottled(a, min(left, replication.LaggingBytesMax))
	defer a.Answer.Release()
	for i := range a.Parts {
		indexes = append(indexes, a.Parts[i].Index)
	}
	return indexes, a.Bytes
}

// Partitions that catch up come behind those that are in sync, and have a share
// of their own; each has its turn.
func TestThoseInSyncComeFirst(t *testing.T) {
	ps := startPeers(t, 1)
	ps.create("a", 6, 1)
	cl := ps.client(uncompressed...)
	for i := range int32(6 * 3) {
		produceAll(t, cl, "a", i%6, 1, 600_000)
	}
	s := queued(ps, 6, func(i int) bool { return i < 4 })
	indexes, bytes := s.nextAnswer()
	if len(indexes) < 3 || indexes[0] != 4 || indexes[1] != 5 || indexes[2] != 0 || bytes > 6*601_000+replication.LaggingBytesMax {
		t.Errorf("first come %v, %d bytes", indexes, bytes)
	}
	seen := len(indexes)
	for len(indexes) > 0 {
		indexes, bytes = s.nextAnswer()
		if seen += len(indexes); bytes > replication.LaggingBytesMax {
			t.Errorf("then come %v, %d bytes", indexes, bytes)
		}
	}
	if seen != 6 {
		t.Errorf("%d partitions had their turn", seen)
	}
}

func TestThrottleSparesThoseInSync(t *testing.T) {
	ps := startPeers(t, 1)
	ps.create("a", 2, 1)
	cl := ps.client(uncompressed...)
	for i := range int32(2) {
		produceAll(t, cl, "a", i, 1, 600_000)
	}
	limit := rate.NewLimiter(1, replication.LaggingBytesMax)
	limit.AllowN(time.Now(), replication.LaggingBytesMax) // nothing is left of it
	ps.all[1].sessions.throttle.Store(limit)
	s := queued(ps, 2, func(i int) bool { return i == 1 })
	if indexes, _ := s.nextAnswer(); len(indexes) != 1 || indexes[0] != 0 {
		t.Errorf("throttled, it answers with %v", indexes)
	}
	ps.all[1].sessions.setThrottle(settings.Unthrottled)
	if indexes, _ := s.nextAnswer(); len(indexes) != 1 || indexes[0] != 1 {
		t.Errorf("not throttled, it answers with %v", indexes)
	}
}

// What a follower wants to be sent at most it says to all leaders by its own setting.
func TestAFollowerHasAThrottleOfItsOwn(t *testing.T) {
	const partitions = 6 // more than the throttle lets through at once
	ps := startPeers(t, 1)
	ps.create("a", partitions, 1)
	cl := ps.client(uncompressed...)
	for i := range int32(partitions) {
		produceAll(t, cl, "a", i, 1, 600_000)
	}
	w := dial(t, ps.all[1].Addr(""))
	const name = "follower.replication.throttled.rate"
	w.change(ofBroker, "2", opSet, name, "1")
	s := queued(ps, partitions, func(int) bool { return true })
	s.from.ID = 2
	all := func() (n int) {
		for {
			indexes, _ := s.nextAnswer()
			if len(indexes) == 0 {
				return n
			}
			n += len(indexes)
		}
	}
	let := all()
	if let < 1 || let > 1+replication.LaggingBytesMax/600_000 {
		t.Errorf("throttled, it answers with %d partitions of 600 kB", let)
	}
	w.change(ofBroker, "2", opDelete, name, "")
	if rest := all(); rest != partitions-let {
		t.Errorf("no longer throttled, it answers with %d partitions more than %d", rest, let)
	}
}
