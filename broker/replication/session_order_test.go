package replication

import (
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/settings"
)

// queued is a session of broker 2 with partitions of a topic whose records wait for
// it: those of lag for a replica that is not in sync.
func (l *leader) queued(t *partitions.Topic, lag func(int) bool) *Session {
	ps := newSession(l.sessions)
	ps.from.ID = 2
	for i := range t.Partitions {
		part := listed(ps, t, int32(i))
		if lag(i) {
			ps.lagging.push(part)
		} else {
			ps.inSync.push(part)
		}
	}
	return ps
}

// nextAnswer is the indexes and the bytes of the session's next answer.
func (ps *Session) nextAnswer() (indexes []int32, bytes int) {
	a := ps.newAnswer()
	left := ps.fill(a, &ps.inSync, AnswerBytesMax)
	ps.fillThrottled(a, min(left, laggingBytesMax))
	defer a.Answer.Release()
	for i := range a.Parts {
		indexes = append(indexes, a.Parts[i].Index)
	}
	return indexes, a.Bytes
}

// Partitions that catch up come behind those that are in sync, and have a share
// of their own; each has its turn.
func TestThoseInSyncComeFirst(t *testing.T) {
	l := startLeader(t)
	topic := l.create(6, 1)
	for _, p := range topic.Partitions {
		l.append(p, 3, 600_000)
	}
	s := l.queued(topic, func(i int) bool { return i < 4 })
	indexes, bytes := s.nextAnswer()
	if len(indexes) < 3 || indexes[0] != 4 || indexes[1] != 5 || indexes[2] != 0 || bytes > 6*601_000+laggingBytesMax {
		t.Errorf("first come %v, %d bytes", indexes, bytes)
	}
	seen := len(indexes)
	for len(indexes) > 0 {
		indexes, bytes = s.nextAnswer()
		if seen += len(indexes); bytes > laggingBytesMax {
			t.Errorf("then come %v, %d bytes", indexes, bytes)
		}
	}
	if seen != 6 {
		t.Errorf("%d partitions had their turn", seen)
	}
}

func TestThrottleSparesThoseInSync(t *testing.T) {
	l := startLeader(t)
	topic := l.create(2, 1)
	for _, p := range topic.Partitions {
		l.append(p, 1, 600_000)
	}
	limit := rate.NewLimiter(1, laggingBytesMax)
	limit.AllowN(time.Now(), laggingBytesMax) // nothing is left of it
	l.sessions.throttle.Store(limit)
	s := l.queued(topic, func(i int) bool { return i == 1 })
	if indexes, _ := s.nextAnswer(); len(indexes) != 1 || indexes[0] != 0 {
		t.Errorf("throttled, it answers with %v", indexes)
	}
	l.sessions.SetThrottle(settings.Unthrottled)
	if indexes, _ := s.nextAnswer(); len(indexes) != 1 || indexes[0] != 1 {
		t.Errorf("not throttled, it answers with %v", indexes)
	}
}

// What a follower wants to be sent at most it says to all leaders by its own setting.
func TestAFollowerHasAThrottleOfItsOwn(t *testing.T) {
	const n = 6 // more than the throttle lets through at once
	l := startLeader(t)
	topic := l.create(n, 1)
	for _, p := range topic.Partitions {
		l.append(p, 1, 600_000)
	}
	const name = "follower.replication.throttled.rate"
	must(t, l.cluster.AlterBrokerConfigs(t.Context(), 2, coordinator.ConfigChange{Set: map[string]string{name: "1"}}))
	s := l.queued(topic, func(int) bool { return true })
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
	if let < 1 || let > 1+laggingBytesMax/600_000 {
		t.Errorf("throttled, it answers with %d partitions of 600 kB", let)
	}
	must(t, l.cluster.AlterBrokerConfigs(t.Context(), 2, coordinator.ConfigChange{Unset: []string{name}}))
	if rest := all(); rest != n-let {
		t.Errorf("no longer throttled, it answers with %d partitions more than %d", rest, let)
	}
}
