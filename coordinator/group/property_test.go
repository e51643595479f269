package group

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// Goal: whatever members do, and whenever, a group stays one. Method: a few
// clients follow the protocol, or forget to, or speak out of turn, while time
// passes; after each step the invariants are checked, and the log is folded
// anew and compared with the state.
func TestWhateverMembersDoTheGroupStaysOne(t *testing.T) {
	const rounds = 15 // of 100
	for range rounds {
		rapid.Check(t, history)
	}
}

func history(t *rapid.T) {
	w := newWorld(t)
	t.Repeat(map[string]func(*rapid.T){
		"join":      w.join,
		"sync":      w.sync,
		"heartbeat": w.heartbeat,
		"leave":     w.leave,
		"commit":    w.commit,
		"delete":    w.delete,
		"crash":     w.crash,
		"wait":      w.wait,
		"settle":    w.settle,
		"live":      w.live,
		"restart":   w.restart,
		"":          w.check,
	})
}

// client is what one member believes.
type client struct {
	id, instance string
	generation   int32
	joining      CallID
	syncing      CallID
	leads        []JoinedMember
	protocols    []Protocol
}

type world struct {
	c       *Coordinator
	cfg     Config
	now     int64
	ids     int
	call    CallID
	log     []Record
	clients []*client
	calls   map[CallID]*client
	members map[int32]string // who was told to be in each generation, with which protocol
}

func newWorld(t *rapid.T) *world {
	w := &world{calls: map[CallID]*client{}, members: map[int32]string{}}
	w.cfg = Config{InitialDelayMs: rapid.SampledFrom([]int64{0, 3000}).Draw(t, "delay"), MembersMax: 4, RetentionMs: 3_600_000}
	w.c = w.open()
	w.c.Start(0)
	for i := range 5 {
		cl := &client{}
		if i >= 3 {
			cl.instance = fmt.Sprint("i", i%2) // the last two share one
		}
		w.clients = append(w.clients, cl)
	}
	return w
}

func (w *world) open() *Coordinator {
	return New(w.cfg, func() string { w.ids++; return fmt.Sprint(w.ids) })
}

func (w *world) client(t *rapid.T) *client { return rapid.SampledFrom(w.clients).Draw(t, "client") }

func (w *world) nextCall(cl *client) CallID {
	w.call++
	w.calls[w.call] = cl
	return w.call
}

func (w *world) join(t *rapid.T) { w.joins(t, w.client(t)) }

func (w *world) joins(t *rapid.T, cl *client) {
	kinds := [][]string{{"range"}, {"range", "sticky"}, {"sticky", "range"}}
	cl.protocols = nil
	for _, name := range rapid.SampledFrom(kinds).Draw(t, "protocols") {
		cl.protocols = append(cl.protocols, Protocol{name, encodedSubscription(rapid.SampledFrom([]string{"t", "u"}).Draw(t, "topic"))})
	}
	cl.joining = w.nextCall(cl)
	w.told(t, w.c.Join(w.now, cl.joining, JoinRequest{
		Group: "g", Member: cl.id, Instance: cl.instance, ClientID: "c", SessionMs: 10_000, RebalanceMs: 20_000,
		ProtocolType: consumerType, Protocols: cl.protocols, RequireKnownID: rapid.Bool().Draw(t, "v4"), CanSkipAssignment: true,
	}))
}

func (w *world) sync(t *rapid.T) { w.syncs(t, w.client(t)) }

func (w *world) syncs(t *rapid.T, cl *client) {
	r := SyncRequest{Group: "g", Member: cl.id, Instance: cl.instance, Generation: cl.generation}
	for _, m := range cl.leads {
		r.Assignments = append(r.Assignments, Assignment{m.Member, []byte(m.Member)})
	}
	cl.syncing = w.nextCall(cl)
	w.told(t, w.c.Sync(w.now, cl.syncing, r))
}

// settle has some of the clients follow the protocol until the group is stable
// or they have tried for long enough.
func (w *world) settle(t *rapid.T) {
	n := rapid.IntRange(1, len(w.clients)).Draw(t, "clients")
	for range 4 {
		for _, cl := range w.clients[:n] {
			w.joins(t, cl)
		}
		w.pass(t, 3000)
	}
	if rapid.IntRange(0, 3).Draw(t, "half") == 0 {
		return
	}
	for _, cl := range w.clients[:n] {
		w.syncs(t, cl)
	}
}

// live lets time pass in which some clients are heard of.
func (w *world) live(t *rapid.T) {
	n := rapid.IntRange(1, len(w.clients)).Draw(t, "clients")
	for range 10 {
		for _, cl := range w.clients[:n] {
			w.c.Heartbeat(w.now, HeartbeatRequest{"g", cl.id, cl.instance, cl.generation})
		}
		w.pass(t, 3000)
	}
}

// restart has a client forget all that it knew.
func (w *world) restart(t *rapid.T) {
	cl := w.client(t)
	*cl = client{instance: cl.instance}
}

func (w *world) heartbeat(t *rapid.T) {
	cl := w.client(t)
	w.c.Heartbeat(w.now, HeartbeatRequest{"g", cl.id, cl.instance, cl.generation})
}

func (w *world) leave(t *rapid.T) {
	cl := w.client(t)
	_, fx := w.c.Leave(w.now, LeaveRequest{"g", []Leaver{{cl.id, cl.instance}}})
	w.told(t, fx)
}

func (w *world) commit(t *rapid.T) {
	cl := w.client(t)
	g := w.c.groups["g"]
	_, fx, err := w.c.Commit(w.now, CommitRequest{
		Group: "g", Member: cl.id, Instance: cl.instance, Generation: cl.generation, RetentionMs: -1,
		Offsets: []Commit{{TopicPartition{"t", 0}, w.now, -1, ""}},
	})
	if err == nil && g != nil && len(g.members) > 0 && (g.byID[cl.id] == nil || g.generation != cl.generation) {
		t.Fatalf("generation %d took a commit of %q from generation %d", g.generation, cl.id, cl.generation)
	}
	w.told(t, fx)
}

func (w *world) delete(t *rapid.T) {
	fx, _ := w.c.Delete("g")
	w.told(t, fx)
}

// crash drops the coordinator; calls under way are lost.
func (w *world) crash(*rapid.T) {
	w.c = w.replayed()
	w.c.Start(w.now)
	w.calls = map[CallID]*client{}
	// The generations above what is in the log were never complete, and are given again.
	generation := int32(0)
	if g := w.c.groups["g"]; g != nil {
		generation = g.generation
	}
	for n := range w.members {
		if n > generation {
			delete(w.members, n)
		}
	}
}

func (w *world) replayed() *Coordinator {
	c := w.open()
	for _, r := range w.log {
		if err := c.Replay(r.Key, r.Value); err != nil {
			panic(err)
		}
	}
	return c
}

func (w *world) wait(t *rapid.T) {
	w.pass(t, rapid.SampledFrom([]int64{1, 3000, 10_000, 25_000, 400_000, 8_000_000}).Draw(t, "ms"))
}

func (w *world) pass(t *rapid.T, ms int64) {
	end := w.now + ms
	for steps := 0; ; steps++ {
		due, ok := w.c.NextDeadline()
		if !ok || due > end {
			break
		}
		if steps > 10_000 {
			t.Fatal("the deadlines do not end")
		}
		w.now = max(w.now, due)
		w.told(t, w.c.Tick(w.now))
	}
	w.now = end
}

// told has clients learn what they are told.
func (w *world) told(t *rapid.T, fx Effects) {
	w.log = append(w.log, fx.Records...)
	for _, r := range fx.Replies {
		cl := w.calls[r.Call]
		if cl == nil {
			t.Fatalf("call %d is answered twice, or was never made", r.Call)
		}
		delete(w.calls, r.Call)
		if resp, ok := r.Response.(JoinResponse); ok && r.Call == cl.joining {
			cl.learn(resp)
			w.oneGeneration(t, resp)
		}
	}
	if g := w.c.groups["g"]; g == nil {
		clear(w.members) // the next group of this name counts from the beginning
	}
}

func (cl *client) learn(r JoinResponse) {
	cl.leads = nil
	switch r.Err {
	case nil:
		cl.id, cl.generation, cl.leads = r.Member, r.Generation, r.Members
	case ErrMemberIDRequired:
		cl.id = r.Member
	case ErrUnknownMember, ErrFencedInstance:
		cl.id = ""
	}
}

// oneGeneration holds that all members of a generation are told the same of it.
func (w *world) oneGeneration(t *rapid.T, r JoinResponse) {
	if r.Err != nil {
		return
	}
	if before, ok := w.members[r.Generation]; ok && before != r.Protocol {
		t.Fatalf("generation %d has protocol %q and %q", r.Generation, before, r.Protocol)
	}
	w.members[r.Generation] = r.Protocol
}

// check holds the invariants of group.go.
func (w *world) check(t *rapid.T) {
	g := w.c.groups["g"]
	if g != nil {
		checkGroup(t, g)
	}
	again := w.replayed()
	if got, want := durable(again), durable(w.c); g == nil || g.state == Empty || g.state == Stable {
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("the log folds to\n%+v\nand the state is\n%+v", got, want)
		}
	}
	for id := range w.calls {
		if g == nil || !waits(g, id) {
			t.Fatalf("call %d is forgotten", id)
		}
	}
}

func checkGroup(t *rapid.T, g *group) {
	if len(g.members) != len(g.byID) || (g.state == Empty) != (len(g.members) == 0) {
		t.Fatalf("%s with %d members, %d by id", g.state, len(g.members), len(g.byID))
	}
	if g.leader != "" && g.byID[g.leader] == nil || len(g.members) > 0 && g.leader == "" {
		t.Fatalf("leader %q is no member", g.leader)
	}
	statics := 0
	for _, m := range g.members {
		if g.byID[m.id] != m || m.instance != "" && g.instances[m.instance] != m {
			t.Fatalf("member %q is not found by its names", m.id)
		}
		if m.instance != "" {
			statics++
		}
		if !m.session.Armed() {
			t.Fatalf("member %q has no session", m.id)
		}
		if (g.state == CompletingRebalance || g.state == Stable) && m.metadata(g.protocol) == nil {
			t.Fatalf("member %q cannot do the protocol %q", m.id, g.protocol)
		}
		if m.joining != 0 && g.state != PreparingRebalance || m.syncing != 0 && g.state != CompletingRebalance {
			t.Fatalf("member %q waits for a join or sync while the group is %s", m.id, g.state)
		}
	}
	if statics != len(g.instances) || len(g.members)+len(g.pending) > 4 {
		t.Fatalf("%d static members, %d instances, %d members, %d pending", statics, len(g.instances), len(g.members), len(g.pending))
	}
	if g.state == PreparingRebalance && !g.timer.Armed() {
		t.Fatal("a rebalance without an end")
	}
}

func waits(g *group, id CallID) bool {
	for _, m := range g.members {
		if m.joining == id || m.syncing == id {
			return true
		}
	}
	return false
}

// durable is what the log must say of each group.
func durable(c *Coordinator) map[string]string {
	all := map[string]string{}
	for id, g := range c.groups {
		if !g.written && len(g.offsets) == 0 {
			continue
		}
		text := fmt.Sprint(g.state, g.protocolType, g.generation, g.protocol, g.leader, g.offsets)
		if !g.written {
			text = fmt.Sprint(g.offsets)
		}
		for _, m := range g.members {
			text += fmt.Sprintf(" %s/%s=%s %d %d", m.id, m.instance, m.assignment, m.sessionMs, m.rebalanceMs)
		}
		all[id] = text
	}
	return all
}
