package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// asReplica is a replica's first request, which lists nothing.
func asReplica(p *peer, id protocol.BrokerID, epoch protocol.BrokerEpoch) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.ClusterID = kmsg.StringPtr(p.cluster.Image().ClusterID)
	req.ReplicaState.ID, req.ReplicaState.Epoch = int32(id), int64(epoch)
	req.SessionEpoch, req.MaxBytes, req.MaxWaitMillis = 0, 1<<20, 10
	return req
}

func TestBadNeighboursAreToldWhatIsWrong(t *testing.T) {
	ps := startPeers(t, 2)
	leader := ps.all[1]
	now := ps.all[2].cluster.BrokerEpoch()
	for _, c := range []struct {
		name string
		req  func(*kmsg.FetchRequest)
		want *kerr.Error
	}{
		{"of another cluster", func(r *kmsg.FetchRequest) { r.ClusterID = kmsg.StringPtr("elsewhere") }, kerr.InconsistentClusterID},
		{"of no cluster", func(r *kmsg.FetchRequest) { r.ClusterID = nil }, kerr.InconsistentClusterID},
		{"with this broker's id", func(r *kmsg.FetchRequest) { r.ReplicaState.ID = 1 }, kerr.DuplicateBrokerRegistration},
		{"in an earlier epoch", func(r *kmsg.FetchRequest) { r.ReplicaState.Epoch = int64(now - 1) }, kerr.StaleBrokerEpoch},
		{"in the midst of a session", func(r *kmsg.FetchRequest) { r.SessionEpoch = 5 }, kerr.InvalidFetchSessionEpoch},
		{"in another's session", func(r *kmsg.FetchRequest) { r.SessionID = 7 }, kerr.InvalidFetchSessionEpoch},
	} {
		w := dial(t, leader.Addr(""))
		req := asReplica(leader, 2, now)
		c.req(req)
		if got := ask[*kmsg.FetchResponse](w, replication.FetchVersion, req).ErrorCode; got != c.want.Code {
			t.Errorf("a broker %s gets code %d, want %s", c.name, got, c.want.Message)
		}
		if _, err := w.nc.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("a broker %s is not hung up on: %v", c.name, err)
		}
	}
}

func TestUnknownPartitionsAndStrangersMoveNothing(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("a", 1, 1, 2)
	produceAll(t, ps.client(), "a", 0, 10, 10)
	it, _ := ps.all[1].cluster.Image().Topic("a")
	for _, c := range []struct {
		name  string
		from  protocol.BrokerID
		topic protocol.TopicID
		index int32
		epoch int32
		want  *kerr.Error
	}{
		{"broker 3 holds no replica", 3, it.ID, 0, 0, kerr.ReplicaNotAvailable},
		{"broker 9 does not exist", 9, it.ID, 0, 0, kerr.ReplicaNotAvailable},
		{"an epoch to come", 2, it.ID, 0, 7, kerr.UnknownLeaderEpoch},
		{"an epoch that is over", 2, it.ID, 0, -1, kerr.FencedLeaderEpoch},
		{"no such partition", 2, it.ID, 5, 0, kerr.NotLeaderForPartition},
		{"no such topic", 2, protocol.TopicID{1}, 0, 0, kerr.UnknownTopicID},
	} {
		req := asReplica(ps.all[1], c.from, 1<<40)
		rt := kmsg.NewFetchRequestTopic()
		rt.TopicID = c.topic
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.CurrentLeaderEpoch, rp.FetchOffset, rp.PartitionMaxBytes = c.index, c.epoch, 1<<40, 1<<20
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp := ask[*kmsg.FetchResponse](dial(t, ps.all[1].Addr("")), replication.FetchVersion, req)
		if len(resp.Topics) != 1 || resp.Topics[0].Partitions[0].ErrorCode != c.want.Code {
			t.Errorf("%s: %+v, want %s", c.name, resp.Topics, c.want.Message)
		}
	}
	ps.awaitEqual("a", 0, 1, 2)
}

// A leader that is not one of ours: it answers with whatever it is told to.
type impostor struct {
	ln     net.Listener
	answer func(correlation int32) []byte
	served sync.WaitGroup
	heard  chan struct{} // one for each request

	mu    sync.Mutex
	conns []net.Conn
}

// die closes all that a process that dies would close.
func (im *impostor) die() {
	im.ln.Close()
	im.mu.Lock()
	defer im.mu.Unlock()
	for _, nc := range im.conns {
		nc.Close()
	}
}

func newImpostor(t *testing.T, answer func(int32) []byte) *impostor {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	im := &impostor{ln: ln, answer: answer, heard: make(chan struct{}, 1000)}
	im.served.Go(im.accept)
	t.Cleanup(func() { im.die(); im.served.Wait() })
	return im
}

func (im *impostor) accept() {
	for {
		nc, err := im.ln.Accept()
		if err != nil {
			return
		}
		im.mu.Lock()
		im.conns = append(im.conns, nc)
		im.mu.Unlock()
		im.served.Go(func() { defer nc.Close(); im.serve(nc) })
	}
}

func (im *impostor) serve(nc net.Conn) {
	for {
		var head [12]byte
		nc.SetDeadline(time.Now().Add(wireTimeout))
		if _, err := io.ReadFull(nc, head[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint32(head[:]))-8); err != nil {
			return
		}
		select {
		case im.heard <- struct{}{}:
		default:
		}
		if _, err := nc.Write(im.answer(int32(binary.BigEndian.Uint32(head[8:])))); err != nil {
			return
		}
	}
}

// enlist has the impostor lead, as broker 9, a topic that broker 1 follows.
func (im *impostor) enlist(t *testing.T, ps *peers) *coordinator.Cluster {
	t.Helper()
	c := im.register(t, ps)
	ps.createAt(1, "led-by-9", 1, 9, 1)
	return c
}

// register makes the impostor known as broker 9.
func (im *impostor) register(t *testing.T, ps *peers) *coordinator.Cluster {
	t.Helper()
	at := im.ln.Addr().(*net.TCPAddr)
	c, err := coordinator.Open(context.Background(), coordinator.Options{
		Store: sharedStore{ps.store}, Logger: slog.New(slog.DiscardHandler),
		Self: image.Broker{ID: 9, DirectoryID: "nine", Endpoints: []image.Endpoint{{Name: "PLAINTEXT", Host: at.IP.String(), Port: int32(at.Port)}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran })
	if err := c.Register(ctx, coordinator.Registration{}); err != nil {
		t.Fatal(err)
	}
	ps.await("broker 9 to be known", func() bool { _, ok := ps.all[1].cluster.Image().Broker(9); return ok })
	return c
}

func answerOf(resp kmsg.FetchResponse, correlation int32) []byte {
	resp.Version = replication.FetchVersion
	body := resp.AppendTo(binary.BigEndian.AppendUint32(make([]byte, 4), uint32(correlation)))
	body = append(body[:8], append([]byte{0}, body[8:]...)...)
	binary.BigEndian.PutUint32(body, uint32(len(body)-4))
	return body
}

// Whatever a leader sends, a follower goes on: it says what is wrong, connects
// anew, and keeps what it has.
func TestFollowerSurvivesALeaderThatSendsGarbage(t *testing.T) {
	refusal := kmsg.NewFetchResponse()
	refusal.ErrorCode = kerr.InconsistentClusterID.Code
	for _, c := range []struct {
		name   string
		answer func(int32) []byte
		said   string
	}{
		{"a length that no frame has", func(int32) []byte { return bytes.Repeat([]byte{0xff}, 64) }, "negative"},
		{"a length over the limit", func(int32) []byte { return bytes.Repeat([]byte{0x7f}, 64) }, "over the limit"},
		{"zeros", func(int32) []byte { return append([]byte{0, 0, 0, 60}, make([]byte, 60)...) }, "malformed Fetch answer"},
		{"a tag more than there is", func(k int32) []byte {
			return append(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 7}, uint32(k)), 2, 9, 0)
		}, "malformed Fetch answer"},
		{"the answer to another request", func(k int32) []byte { return answerOf(kmsg.NewFetchResponse(), k+1) }, "malformed Fetch answer"},
		{"a refusal", func(k int32) []byte { return answerOf(refusal, k) }, "INCONSISTENT_CLUSTER_ID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var said lines
			ps := startPeers(t, 1, func(cfg *Config) { cfg.Logger = slog.New(slog.NewTextHandler(&said, nil)) })
			im := newImpostor(t, c.answer)
			im.enlist(t, ps)
			for range 3 { // it comes again
				<-im.heard
			}
			ps.await("a line about it", func() bool { return strings.Contains(said.String(), c.said) })
			if p := ps.partition(1, "led-by-9", 0); p.Failed() || p.End() != 0 {
				t.Errorf("the partition has failed (%v), or ends at %d", p.Failed(), p.End())
			}
		})
	}
}

// lines is a log that a test can read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A dead process is known by its refused connections, long before its lease
// runs out.
func TestDeadLeaderIsFencedAtOnce(t *testing.T) {
	ps := startPeers(t, 1, func(c *Config) { c.SessionTimeout = time.Hour })
	im := newImpostor(t, func(k int32) []byte { return answerOf(kmsg.NewFetchResponse(), k) })
	im.enlist(t, ps)
	<-im.heard
	before, _ := ps.all[1].cluster.Image().Broker(9)
	im.die()
	ps.await("broker 9 to be fenced", func() bool {
		b, live := ps.all[1].cluster.Image().Broker(9)
		return !live || b.Epoch > before.Epoch
	})
}

// A broker that followed this one and is gone is noticed by its leader.
func TestDeadFollowerIsFencedAtOnce(t *testing.T) {
	ps := startPeers(t, 1, func(c *Config) { c.SessionTimeout = time.Hour })
	im := newImpostor(t, func(k int32) []byte { return answerOf(kmsg.NewFetchResponse(), k) })
	nine := im.register(t, ps)
	before := nine.BrokerEpoch()
	w := dial(t, ps.all[1].Addr(""))
	if code := ask[*kmsg.FetchResponse](w, replication.FetchVersion, asReplica(ps.all[1], 9, before)).ErrorCode; code != 0 {
		t.Fatalf("code %d", code)
	}
	im.die()
	w.nc.Close()
	ps.await("broker 9 to be fenced", func() bool {
		b, live := ps.all[1].cluster.Image().Broker(9)
		return !live || b.Epoch > before
	})
}

// A broker that was never reached is not taken for dead: the door may be closed
// to this one alone.
func TestBrokerThatWasNeverReachedIsNotFenced(t *testing.T) {
	var said lines
	ps := startPeers(t, 1, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&said, nil)) })
	im := newImpostor(t, func(k int32) []byte { return nil })
	im.die()
	nine := im.enlist(t, ps)
	ps.await("the leader to be tried", func() bool { return strings.Contains(said.String(), "connection refused") })
	if b, live := ps.all[1].cluster.Image().Broker(9); !live || b.Epoch != nine.BrokerEpoch() {
		t.Errorf("live %v, broker epoch %d", live, b.Epoch)
	}
}
