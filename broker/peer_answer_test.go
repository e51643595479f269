package broker

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// composed is an answer of the leader of a-0 with the records that are there, as
// the session of broker 2 would make it. No session runs: the test is its loop.
func composed(ps *peers) *peerAnswer {
	s := ps.all[1].Server
	t := s.hosted.Topic("a")
	session := &peerSession{srv: s, parts: map[protocol.TopicPartition]*peerPart{}}
	part := &peerPart{session: session, id: protocol.TopicPartition{Topic: t.ID}, topic: t, host: t.Partition(0), state: peerReady}
	part.fetch = replica.Fetch{From: protocol.Member{ID: 2}, Epoch: part.host.Epoch()}
	a := session.newAnswer()
	session.add(a, part, replication.PartitionBytesMax)
	return a
}

// A leader that ceases to be one while its answer waits says so instead. One
// that is in the midst of it never ends it: the log it reads from may be
// another's by now.
func TestAnswerOfALeaderThatIsNoneAnyMoreIsNotSent(t *testing.T) {
	for _, size := range []int{10, 100_000} { // gathered, and streamed
		ps := startPeers(t, 2)
		ps.create("a", 1, 1, 2)
		produceAll(t, ps.client(), "a", 0, 10, size)
		small, large := composed(ps), composed(ps)
		header := protocol.Header{Key: protocol.KeyFetch, Version: replication.FetchVersion, Flexible: true}
		whole, err := small.Encode(nil, header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := large.Encode(nil, header); err != nil {
			t.Fatal(err)
		}
		p := ps.all[1].hosted.Topic("a").Partition(0)
		p.ApplyMetadata(protocol.PartitionState{Leader: 2, LeaderEpoch: 9, PartitionEpoch: 99, Replicas: []protocol.BrokerID{1, 2}, ISR: protocol.Members{{ID: 2}}})
		ps.await("broker 1 to follow", func() bool { return p.State().Role == replica.RoleFollower })
		fenced := small.fenced(0)
		b, err := small.Encode(nil, header)
		if err != nil || !fenced {
			t.Fatalf("fenced %v, error %v", fenced, err)
		}
		var resp kmsg.FetchResponse
		resp.Version = replication.FetchVersion
		if err := resp.ReadFrom(b[5:]); err != nil {
			t.Fatal(err)
		}
		if part := resp.Topics[0].Partitions[0]; part.ErrorCode != peerCode(replica.ErrNotLeader) || len(part.RecordBatches) != 0 {
			t.Errorf("it sends code %d and %d bytes; before, all was %d", part.ErrorCode, len(part.RecordBatches), len(whole))
		}
		if large.TailBytes() > 0 {
			c := ps.all[1].sockets.NewConn(t.Context(), nil, discardConn{})
			if err := large.WriteTail(c); !errors.Is(err, errPeerFenced) {
				t.Errorf("it ends the answer: %v", err)
			}
		}
		small.Answer.Release()
		large.Answer.Release()
	}
}

// discardConn is a socket that takes everything.
type discardConn struct{ net.Conn }

func (discardConn) Write(b []byte) (int, error)      { return len(b), nil }
func (discardConn) SetWriteDeadline(time.Time) error { return nil }
