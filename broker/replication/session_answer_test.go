package replication

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// composed is an answer with the records of a-0 that are there, as the session of
// broker 2 would make it. No session runs: the test is its loop.
func (l *leader) composed(t *partitions.Topic) *sessionAnswer {
	ps := newSession(l.sessions)
	a := ps.newAnswer()
	ps.add(a, listed(ps, t, 0), partitionBytesMax)
	return a
}

// A leader that ceases to be one while its answer waits says so instead. One
// that is in the midst of it never ends it: the log it reads from may be
// another's by now.
func TestAnswerOfALeaderThatIsNoneAnyMoreIsNotSent(t *testing.T) {
	for _, size := range []int{10, 100_000} { // gathered, and streamed
		l := startLeader(t)
		topic := l.create(1, 1, 2)
		p := topic.Partition(0)
		l.append(p, 10, size)
		small, large := l.composed(topic), l.composed(topic)
		header := protocol.Header{Key: protocol.KeyFetch, Version: FetchVersion, Flexible: true}
		whole, err := small.Encode(nil, header)
		must(t, err)
		_, err = large.Encode(nil, header)
		must(t, err)
		p.ApplyMetadata(protocol.PartitionState{
			Leader: 2, LeaderEpoch: 9, PartitionEpoch: 99, Replicas: []protocol.BrokerID{1, 2}, ISR: protocol.Members{{ID: 2}},
		})
		l.await("broker 1 to follow", func() bool { return p.State().Role == replica.RoleFollower })
		fenced := small.fenced(0)
		b, err := small.Encode(nil, header)
		if err != nil || !fenced {
			t.Fatalf("fenced %v, error %v", fenced, err)
		}
		var resp kmsg.FetchResponse
		resp.Version = FetchVersion
		must(t, resp.ReadFrom(b[5:]))
		if part := resp.Topics[0].Partitions[0]; part.ErrorCode != l.sessions.code(replica.ErrNotLeader) || len(part.RecordBatches) != 0 {
			t.Errorf("it sends code %d and %d bytes; before, all was %d", part.ErrorCode, len(part.RecordBatches), len(whole))
		}
		if large.TailBytes() > 0 {
			c := transport.New(transport.Options{}).NewConn(t.Context(), nil, discardConn{})
			if err := large.WriteTail(c); !errors.Is(err, errFenced) {
				t.Errorf("it ends the answer: %v", err)
			}
		}
		if streamed := large.TailBytes() > 0; streamed != (size > 10) {
			t.Errorf("with records of %d bytes, streamed is %v", size, streamed)
		}
		small.Release()
		large.Release()
	}
}

// discardConn is a socket that takes everything.
type discardConn struct{ net.Conn }

func (discardConn) Write(b []byte) (int, error)      { return len(b), nil }
func (discardConn) SetWriteDeadline(time.Time) error { return nil }
