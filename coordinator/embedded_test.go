package coordinator

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lockstep-log/lockstep/protocol"
)

func startEmbedded(t *testing.T, o EmbeddedOptions) *Embedded {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "etcd")
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	e, err := StartEmbedded(background(t), o)
	noError(t, err)
	return e
}

func TestAMemberAloneOpensNoPortAndSaysNothing(t *testing.T) {
	var said bytes.Buffer
	dir := filepath.Join(t.TempDir(), "etcd")
	for range 2 { // a first start and a restart
		e := startEmbedded(t, EmbeddedOptions{Dir: dir, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		if n := len(e.etcd.Clients) + len(e.etcd.Peers); n != 0 {
			t.Fatalf("%d listeners", n)
		}
		if e.etcd.Config().UnsafeNoFsync {
			t.Fatal("it does not sync")
		}
		c := openCluster(t, Options{Store: e.Store(), Self: broker(1)})
		noError(t, c.Register(background(t), Registration{}))
		c.leave(t)
		noError(t, e.Close())
	}
	if said.Len() > 0 {
		t.Fatalf("it said:\n%s", said.String())
	}
}

// What etcd itself warns of is told.
func TestWarningsOfEtcdAreLogged(t *testing.T) {
	var said bytes.Buffer
	l := newEtcdLog(slog.New(slog.NewTextHandler(&said, nil)))
	z := l.zap().With(zap.String("member", "1"))
	z.Info("not this")
	z.Warn("slow fdatasync", zap.String("took", "2s"))
	if got := said.String(); !strings.Contains(got, `level=WARN msg="etcd: slow fdatasync"`) || !strings.Contains(got, "member=1") || !strings.Contains(got, "took=2s") || strings.Contains(got, "not this") {
		t.Fatalf("said %s", got)
	}
	said.Reset()
	l.closing.Store(true)
	z.Error("listener closed")
	if said.Len() > 0 {
		t.Fatalf("said %s", said.String())
	}
}

// Three brokers, each with a member: any sees what another did, and with one of
// them gone the others go on.
func TestThreeMembersGoOnWithoutOne(t *testing.T) {
	peers := freePeers(t, 3)
	root := t.TempDir()
	members := make([]*Embedded, 3)
	var wg sync.WaitGroup
	for i := range members {
		wg.Go(func() {
			name := fmt.Sprint(i + 1)
			e, err := StartEmbedded(background(t), EmbeddedOptions{Dir: filepath.Join(root, name), Name: name, Peers: peers, Logger: quiet})
			if err != nil {
				t.Error(err)
			}
			members[i] = e
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	brokers := make([]*runs, 3)
	for i, e := range members {
		brokers[i] = openCluster(t, Options{Store: e.Store(), Self: broker(protocol.BrokerID(i + 1))})
		noError(t, brokers[i].Register(background(t), Registration{}))
	}
	for _, b := range brokers {
		b.eventually(t, func(im *Image) bool { return len(im.Brokers()) == 3 && im.ClusterID == brokers[0].Image().ClusterID })
	}
	topic, err := brokers[2].CreateTopic(background(t), NewTopic{Name: "t", Partitions: 3, ReplicationFactor: 3}, false)
	noError(t, err)

	brokers[0].kill(t)
	noError(t, members[0].Close())
	var alive *Topic
	for alive == nil { // until a new leader is elected the store may be gone
		alive, err = brokers[1].CreateTopic(background(t), NewTopic{Name: "u", Partitions: 1, ReplicationFactor: 2}, false)
		if err != nil {
			t.Log(err)
		}
	}
	brokers[2].eventually(t, func(im *Image) bool {
		_, sees := im.TopicByID(alive.ID)
		_, keeps := im.TopicByID(topic.ID)
		return sees && keeps && len(im.Brokers()) == 2 && im.Controller != 1 && im.Controller != protocol.NoBroker
	})
	for i := 1; i < 3; i++ {
		brokers[i].kill(t)
		noError(t, members[i].Close())
	}
}

// freePeers are peer URLs for n members, named from 1, on ports that were free just now.
func freePeers(t *testing.T, n int) map[string]string {
	peers := map[string]string{}
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		noError(t, err)
		defer func() { noError(t, l.Close()) }() // not before all are found
		peers[fmt.Sprint(i+1)] = "http://" + l.Addr().String()
	}
	return peers
}

func TestAMemberWithoutAQuorumDoesNotStart(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	peers := freePeers(t, 2)
	_, err := StartEmbedded(ctx, EmbeddedOptions{Dir: filepath.Join(t.TempDir(), "etcd"), Name: "1", Peers: peers, Logger: quiet})
	wantError(t, err, context.DeadlineExceeded)
	for _, bad := range []EmbeddedOptions{
		{Name: "3", Peers: peers},
		{Name: "1", Peers: map[string]string{"1": "localhost:1"}},
		{Name: "1", Peers: map[string]string{"1": "http://localhost"}},
	} {
		bad.Dir = t.TempDir()
		if _, err := StartEmbedded(ctx, bad); err == nil {
			t.Errorf("%+v started", bad)
		}
	}
}

// BenchmarkCreateTopic is one topic of one partition, from the call to its own image, in embedded etcd.
func BenchmarkCreateTopic(b *testing.B) {
	e, err := StartEmbedded(context.Background(), EmbeddedOptions{Dir: filepath.Join(b.TempDir(), "etcd"), Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	c, err := Open(context.Background(), Options{Store: e.Store(), Self: broker(1), Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- c.Run(context.Background()) }()
	if err := c.Register(context.Background(), Registration{}); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		if _, err := c.CreateTopic(context.Background(), NewTopic{Name: fmt.Sprint("topic-", n), Partitions: 1, ReplicationFactor: 1}, false); err != nil {
			b.Fatal(err)
		}
	}
	if err := c.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	<-done
}
