package coordinator

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
	"github.com/lockstep-log/lockstep/protocol"
)

// grown is a cluster that one broker has begun alone.
type grown struct {
	t       *testing.T
	root    string
	members map[protocol.BrokerID]*etcd.Embedded
	brokers map[protocol.BrokerID]*runs
}

func beginAlone(t *testing.T) *grown {
	g := &grown{t: t, root: t.TempDir(), members: map[protocol.BrokerID]*etcd.Embedded{}, brokers: map[protocol.BrokerID]*runs{}}
	t.Cleanup(func() {
		for _, b := range g.brokers {
			b.kill(t)
		}
		for _, m := range g.members {
			noError(t, m.Close())
		}
	})
	g.begin(1, etcd.EmbeddedOptions{})
	return g
}

func (g *grown) dir(id protocol.BrokerID) string { return filepath.Join(g.root, fmt.Sprint(id)) }

// begin starts a broker and its member.
func (g *grown) begin(id protocol.BrokerID, o etcd.EmbeddedOptions) {
	g.t.Helper()
	o.Dir, o.Name = g.dir(id), fmt.Sprint(id)
	g.members[id] = startEmbedded(g.t, o)
	g.brokers[id] = openCluster(g.t, Options{Store: g.members[id].Store(), Self: broker(id), SessionTimeout: time.Second})
	noError(g.t, g.brokers[id].Register(background(g.t), Registration{}))
}

// crash ends a broker as a kill would.
func (g *grown) crash(id protocol.BrokerID) {
	g.t.Helper()
	g.brokers[id].kill(g.t)
	g.members[id].Server().HardStop()
	noError(g.t, g.members[id].Close())
	delete(g.brokers, id)
	delete(g.members, id)
}

var ownPort = etcd.PortOptions{Host: "127.0.0.1", Listen: "127.0.0.1:0"}

// waiting is a broker that waits to be let in, as a joiner of this version but for what change says.
func (g *grown) waiting(id protocol.BrokerID, change func(*etcd.Joiner)) (JoinRequest, *etcd.PeerPort, *etcd.Waiting) {
	g.t.Helper()
	o := ownPort
	o.Dir = g.dir(id)
	port, err := etcd.OpenPort(o)
	noError(g.t, err)
	j := etcd.ThisVersion()
	j.Node, j.Directory, j.Version = int32(id), broker(id).DirectoryID, "test"
	if change != nil {
		change(&j)
	}
	w := port.WaitToJoin(j, func() time.Time { return time.Now().Add(time.Duration(j.NowMs) * time.Millisecond) })
	return JoinRequest{Broker: id, Directory: j.Directory, PeerURL: port.URL(), Port: ownPort}, port, w
}

// join lets a broker in, by the word of another.
func (g *grown) join(id, by protocol.BrokerID) {
	g.t.Helper()
	r, port, w := g.waiting(id, nil)
	for range 2 { // an answer may be lost
		noError(g.t, g.brokers[by].AddMember(background(g.t), r))
	}
	if told := w.Told(); told.Role != etcd.RoleMember || len(told.Peers) == 0 {
		g.t.Fatalf("broker %d was told %+v", id, told)
	}
	g.begin(id, etcd.EmbeddedOptions{Port: port, Join: w.Told().Peers})
}

// voters waits until so many brokers vote, and no learner is left out of so many.
func (g *grown) voters(by protocol.BrokerID, voters, learners int) {
	g.t.Helper()
	var seen []etcd.Member
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		members, err := g.members[by].Store().Members(background(g.t))
		if err != nil {
			continue
		}
		seen = members
		votes := len(slices.DeleteFunc(slices.Clone(members), func(m etcd.Member) bool { return m.Learner }))
		if votes == voters && len(members) == voters+learners {
			return
		}
	}
	g.t.Fatalf("want %d voters and %d learners; there are %+v", voters, learners, seen)
}

// TestABrokerThatWasAloneGetsCompany: a cluster that one broker began grows to five
// while its metadata is written, each broker being let in by another; the first is
// killed and goes on from its directory, and the fifth is removed.
func TestABrokerThatWasAloneGetsCompany(t *testing.T) {
	t.Parallel()
	g := beginAlone(t)
	for id := protocol.BrokerID(2); id <= 5; id++ {
		g.join(id, id-1)
		c := &three{t: t}
		c.brokers[0] = g.brokers[id]
		c.createUntilDone(0, fmt.Sprintf("t-%d", id), 1, 1)
		voters := map[protocol.BrokerID]int{2: 1, 3: 3, 4: 3, 5: 5}[id]
		g.voters(1, voters, int(id)-voters)
	}
	g.crash(1)
	g.begin(1, etcd.EmbeddedOptions{}) // as at its first start: nothing was told to it
	g.brokers[1].eventually(t, func(im *image.Image) bool { return len(im.Topics()) == 4 && len(im.Brokers()) == 5 })
	if s := g.members[1].Store(); s.Quick() || s.Alone() {
		t.Error("the first broker still has the timing of one alone")
	}

	wantError(t, g.brokers[1].RemoveMember(background(t), 5), refusal.ErrInvalidRequest) // it answers
	g.crash(5)
	g.brokers[1].eventually(t, func(im *image.Image) bool { return len(im.Brokers()) == 4 })
	moveAway(t, g.brokers[1], 5)
	noError(t, g.brokers[1].RemoveMember(background(t), 5))
	g.brokers[1].eventually(t, func(im *image.Image) bool { return !im.KnowsBroker(5) })
	g.voters(1, 4, 0)
}

// moveAway deletes what a dead broker holds.
func moveAway(t *testing.T, c *runs, id protocol.BrokerID) {
	t.Helper()
	for _, topic := range c.Image().Topics() {
		if topic.Partitions[0].Hosts(id) {
			noError(t, c.DeleteTopic(background(t), topic.Name))
		}
	}
}

// TestABadJoinerIsRefusedInWordsAndNothingMoves: each mistake is told, and afterwards
// the members, the ids and the brokers are as they were.
func TestABadJoinerIsRefusedInWordsAndNothingMoves(t *testing.T) {
	t.Parallel()
	g := beginAlone(t)
	g.join(2, 1)
	g.voters(1, 1, 1)
	before := g.shown()
	for _, c := range []struct {
		name   string
		id     protocol.BrokerID
		change func(*etcd.Joiner)
		says   string
	}{
		{"another cluster's directory", 3, func(j *etcd.Joiner) { j.Cluster = "other" }, "belongs to cluster other"},
		{"a live broker's id", 2, func(j *etcd.Joiner) { j.Directory = "elsewhere" }, "Broker 2 is there already, at localhost:9092"},
		{"an older level", 3, func(j *etcd.Joiner) { j.Level = 0 }, "too old for this cluster"},
		{"an older metadata format", 3, func(j *etcd.Joiner) { j.Format = store.FormatVersion - 1 }, "too old for this cluster"},
		{"an older etcd", 3, func(j *etcd.Joiner) { j.Etcd = "3.5.9" }, "runs version test (etcd 3.5.9"},
		{"a clock that is ahead", 3, func(j *etcd.Joiner) { j.NowMs = 3_600_000 }, "off by 1h0m0s"},
		{"a clock that is behind", 3, func(j *etcd.Joiner) { j.NowMs = -60_000 }, "off by 1m0s"},
		{"another node's port", 3, func(j *etcd.Joiner) { j.Node = 4 }, "Broker 4 waits at"},
	} {
		r, port, _ := g.waiting(c.id+10, func(j *etcd.Joiner) { j.Node = int32(c.id); c.change(j) })
		r.Broker = c.id
		g.refuses(c.name, r, c.says)
		noError(t, port.Close())
	}
	r, port, _ := g.waiting(13, nil)
	r.Broker = 3
	noError(t, port.Close())
	g.refuses("an address that nobody reaches", r, "cannot be reached at "+r.PeerURL)
	if after := g.shown(); after != before {
		t.Errorf("the cluster has moved:\n%s\nand was\n%s", after, before)
	}

	// The id of a broker that is down is still its own, until it is removed.
	g.crash(2)
	g.brokers[1].eventually(t, func(im *image.Image) bool { return len(im.Brokers()) == 1 })
	r, port, _ = g.waiting(12, func(j *etcd.Joiner) { j.Node = 2; j.Directory = "elsewhere" })
	r.Broker = 2
	g.refuses("a dead broker's id", r, "lockstep cluster brokers --replace 2")
	noError(t, g.brokers[1].RemoveMember(background(t), 2))
	g.brokers[1].eventually(t, func(im *image.Image) bool { return !im.KnowsBroker(2) })
	noError(t, g.brokers[1].AddMember(background(t), r))
	noError(t, port.Close())
}

func (g *grown) refuses(name string, r JoinRequest, says string) {
	g.t.Helper()
	err := g.brokers[1].AddMember(background(g.t), r)
	if err == nil || !strings.Contains(err.Error(), says) {
		g.t.Errorf("%s: refused with %v, want %q in it", name, err, says)
	}
}

// shown is what a joiner could have moved.
func (g *grown) shown() string {
	members, err := g.members[1].Store().Members(background(g.t))
	noError(g.t, err)
	im := g.brokers[1].Image()
	return fmt.Sprint(members, im.KnowsBroker(2), im.KnowsBroker(3), im.KnowsBroker(4), len(im.Brokers()))
}

// TestAMemberThatIsKilledInItsFirstMomentsGoesOn: one that joins a broker which was
// started alone, and whose process ends when its log has nothing in it but its own name,
// finds the others when it starts again.
func TestAMemberThatIsKilledInItsFirstMomentsGoesOn(t *testing.T) {
	t.Parallel()
	g := beginAlone(t)
	r, port, w := g.waiting(2, nil)
	noError(t, g.brokers[1].AddMember(background(t), r))
	ctx, cancel := context.WithCancel(background(t))
	go func() {
		defer cancel()
		for !etcd.HasRun(g.dir(2)) && ctx.Err() == nil {
			time.Sleep(50 * time.Microsecond)
		}
	}()
	m, err := etcd.StartEmbedded(ctx, etcd.EmbeddedOptions{Dir: g.dir(2), Name: "2", Port: port, Join: w.Told().Peers, Logger: quiet})
	if err == nil { // it was quicker
		noError(t, m.Close())
	}
	if !etcd.HasRun(g.dir(2)) {
		t.Fatalf("it never began: %v", err)
	}
	g.begin(2, etcd.EmbeddedOptions{})
	g.brokers[2].eventually(t, func(im *image.Image) bool { return len(im.Brokers()) == 2 })
}
