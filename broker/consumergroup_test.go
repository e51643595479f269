package broker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// quickConsumers lets members of the consumer protocol be led and missed soon.
func quickConsumers(c *Config) {
	quickSessions(c)
	c.Groups.ConsumerHeartbeat, c.Groups.ConsumerSession = 50*time.Millisecond, time.Second
}

// ledger notes what several members have read.
type ledger struct {
	mu   sync.Mutex
	seen map[string]bool
	done chan struct{} // closed when all that is wanted was seen
	want int
}

func newLedger(want int) *ledger {
	return &ledger{seen: make(map[string]bool), done: make(chan struct{}), want: want}
}

func (l *ledger) note(r *kgo.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.seen)
	l.seen[string(r.Value)] = true
	if len(l.seen) == l.want && before < l.want {
		close(l.done)
	}
}

func (l *ledger) await(t *testing.T) {
	t.Helper()
	select {
	case <-l.done:
	case <-time.After(wireTimeout):
		l.mu.Lock()
		defer l.mu.Unlock()
		t.Fatalf("%d of %d records were read", len(l.seen), l.want)
	}
}

// readInto has a member read, and commit as it goes, until the returned
// function is called.
func (m *groupMember) readInto(t *testing.T, l *ledger) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			m.PollFetches(ctx).EachRecord(l.note)
			m.CommitUncommittedOffsets(ctx)
		}
	})
	stop = func() { cancel(); reading.Wait() }
	t.Cleanup(stop)
	return stop
}

// awaitConsumers waits until a group of the consumer protocol is stable with
// members of these kinds, all of which have something assigned.
func awaitConsumers(t *testing.T, cl *kgo.Client, group string, kinds ...int8) kmsg.ConsumerGroupDescribeResponseGroup {
	t.Helper()
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{group}
	slices.Sort(kinds)
	for deadline := time.Now().Add(wireTimeout); ; time.Sleep(10 * time.Millisecond) {
		resp, err := req.RequestWith(t.Context(), cl)
		if err != nil {
			t.Fatal(err)
		}
		g := resp.Groups[0]
		var have []int8
		for _, m := range g.Members {
			if len(m.Assignment.TopicPartitions) > 0 {
				have = append(have, m.MemberType)
			}
		}
		slices.Sort(have)
		if g.State == "Stable" && slices.Equal(have, kinds) && len(g.Members) == len(kinds) {
			return g
		}
		if time.Now().After(deadline) {
			t.Fatalf("the group is %s with members %v, and not Stable with %v; code %d", g.State, have, kinds, g.ErrorCode)
		}
	}
}

// Goal: the consumer protocol works with a stock client, and nothing is lost
// when a member dies. Method: as with the classic protocol.
func TestASurvivorOfTheConsumerProtocolReadsOnForADeadMember(t *testing.T) {
	const topic, partitions, each = "shared", 6, 50
	s, cl := startServer(t, quickConsumers)
	dial(t, s.Addr("")).createTopic(topic, partitions)
	writeNumbered(t, cl, topic, partitions, 0, each)
	read := newLedger(partitions * 2 * each)

	a := newGroupMember(t, s.Addr(""), "g", topic, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	a.readInto(t, read)
	awaitConsumers(t, cl, "g", memberConsumer)
	b := newGroupMember(t, s.Addr(""), "g", topic, kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
	stopB := b.readInto(t, read)
	g := awaitConsumers(t, cl, "g", memberConsumer, memberConsumer)
	for _, m := range g.Members {
		if n := len(m.Assignment.TopicPartitions[0].Partitions); n != partitions/2 {
			t.Errorf("a member has %d partitions of %d", n, partitions)
		}
	}
	b.kill()
	stopB()
	writeNumbered(t, cl, topic, partitions, each, each)
	read.await(t)
	awaitConsumers(t, cl, "g", memberConsumer)
}

// Goal: a group changes its protocol under load (KIP-848), both ways, and reads
// everything. Method: two classic members are replaced one by one, then back.
func TestAGroupMigratesWhileItsMembersRead(t *testing.T) {
	for _, balancer := range []kgo.GroupBalancer{kgo.RangeBalancer(), kgo.CooperativeStickyBalancer()} {
		t.Run(balancer.ProtocolName(), func(t *testing.T) {
			const topic, partitions, each = "moving", 6, 40
			s, cl := startServer(t, quickConsumers)
			dial(t, s.Addr("")).createTopic(topic, partitions)
			read := newLedger(partitions * 4 * each)
			classic := func() *groupMember { return newGroupMember(t, s.Addr(""), "g", topic, kgo.Balancers(balancer)) }
			modern := func() *groupMember {
				return newGroupMember(t, s.Addr(""), "g", topic, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
			}
			leave := func(m *groupMember, stop func()) { stop(); m.LeaveGroup() }

			a, b := classic(), classic()
			stopA, stopB := a.readInto(t, read), b.readInto(t, read)
			awaitMembers(t, cl, "g", 2)
			writeNumbered(t, cl, topic, partitions, 0, each)

			c := modern()
			stopC := c.readInto(t, read)
			awaitConsumers(t, cl, "g", memberClassic, memberClassic, memberConsumer)
			leave(a, stopA)
			awaitConsumers(t, cl, "g", memberClassic, memberConsumer)
			writeNumbered(t, cl, topic, partitions, each, each)
			leave(b, stopB)
			awaitConsumers(t, cl, "g", memberConsumer)
			writeNumbered(t, cl, topic, partitions, 2*each, each)

			d := classic()
			d.readInto(t, read)
			awaitConsumers(t, cl, "g", memberClassic, memberConsumer)
			leave(c, stopC)
			awaitMembers(t, cl, "g", 1)
			writeNumbered(t, cl, topic, partitions, 3*each, each)
			read.await(t)
		})
	}
}

// Goal: a member of the consumer protocol outlives its broker's restart: its
// epoch and what it has are in the log.
func TestAConsumerGroupOutlivesItsBroker(t *testing.T) {
	dir := t.TempDir()
	again := func(c *Config) { quickConsumers(c); c.DataDir = dir; c.Groups.ConsumerSession = time.Minute }
	var told *kmsg.ConsumerGroupHeartbeatResponse
	t.Run("before", func(t *testing.T) {
		s, _ := startServer(t, again)
		w := dial(t, s.Addr(""))
		w.createTopic("v", 3)
		told = ask[*kmsg.ConsumerGroupHeartbeatResponse](w, 1, joinAs("g", "m", "v"))
		if told.ErrorCode != 0 || len(told.Assignment.Topics) != 1 {
			t.Fatalf("the member got %+v", told)
		}
	})
	t.Run("after", func(t *testing.T) {
		s, _ := startServer(t, again)
		w := dial(t, s.Addr(""))
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch = "g", "m", told.MemberEpoch
		if resp := ask[*kmsg.ConsumerGroupHeartbeatResponse](w, 1, req); resp.ErrorCode != 0 || resp.MemberEpoch != told.MemberEpoch || resp.Assignment != nil {
			t.Errorf("the heartbeat got %+v", resp)
		}
		if code := (&consumer{w: w, group: "g", member: "m", generation: told.MemberEpoch}).commit(9, "v", 1, 5); code != 0 {
			t.Errorf("the commit got code %d", code)
		}
	})
}

// beatOf is one heartbeat of a session that is held against kfake. told keeps the
// member's epoch for those that follow.
func beatOf(name, member string, change func(r *kmsg.ConsumerGroupHeartbeatRequest, epoch int32)) groupStep {
	return groupStep{name, func(s *groupSession) string {
		req := joinAs("g", member, "v")
		change(req, s.generation)
		resp := ask[*kmsg.ConsumerGroupHeartbeatResponse](s.w, 1, req)
		if resp.ErrorCode != 0 {
			return fmt.Sprint("code ", resp.ErrorCode)
		}
		if resp.MemberEpoch > 0 {
			s.generation = resp.MemberEpoch
		}
		assigned := "nothing new"
		if resp.Assignment != nil {
			n := 0
			for _, t := range resp.Assignment.Topics {
				n += len(t.Partitions)
			}
			assigned = fmt.Sprint(n, " partitions")
		}
		return fmt.Sprintf("%s in epoch %d with %s", text(resp.MemberID), resp.MemberEpoch, assigned)
	}}
}

// going is a heartbeat that says only that the member lives.
func going(r *kmsg.ConsumerGroupHeartbeatRequest, epoch int32) {
	r.MemberEpoch, r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = epoch, -1, nil, nil
}

// One member's life by the consumer protocol is held against kfake, as the classic one's is.
func TestAConsumerGroupSessionGetsTheAnswersOfKfake(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(2), kfake.SeedTopics(2, "v"))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	s, _ := startServer(t, withoutDelay)
	w := dial(t, s.Addr(""))
	w.createTopic("v", 2)
	ours := groupSession{session: session{w: w}, who: map[string]string{}}
	theirs := groupSession{session: session{w: dial(t, fake.ListenAddrs()[0])}, who: map[string]string{}}
	for _, st := range consumerSession {
		if got, want := st.told(&ours), st.told(&theirs); got != want {
			t.Errorf("%s:\n  ours   %s\n  kfake  %s", st.name, got, want)
		}
	}
}

var consumerSession = []groupStep{
	beatOf("owns when it joins", "a", func(r *kmsg.ConsumerGroupHeartbeatRequest, _ int32) {
		r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: [16]byte{1}, Partitions: []int32{0}}}
	}),
	beatOf("says nothing of what it owns", "a", func(r *kmsg.ConsumerGroupHeartbeatRequest, _ int32) { r.Topics = nil }),
	beatOf("an assignor that there is not", "a", func(r *kmsg.ConsumerGroupHeartbeatRequest, _ int32) {
		r.ServerAssignor = kmsg.StringPtr("fancy")
	}),
	beatOf("the first join", "a", func(*kmsg.ConsumerGroupHeartbeatRequest, int32) {}),
	beatOf("a heartbeat", "a", going),
	beatOf("an epoch to come", "a", func(r *kmsg.ConsumerGroupHeartbeatRequest, e int32) { going(r, e+1) }),
	beatOf("nobody", "x", going),
	beatOf("joins again", "a", func(*kmsg.ConsumerGroupHeartbeatRequest, int32) {}),
	beatOf("says all", "a", func(r *kmsg.ConsumerGroupHeartbeatRequest, e int32) { r.MemberEpoch = e }),
	{"a commit", func(s *groupSession) string {
		return fmt.Sprint((&consumer{w: s.w, group: "g", member: "a", generation: s.generation}).commit(9, "v", 1, 5))
	}},
	{"a commit of an epoch to come", func(s *groupSession) string {
		return fmt.Sprint((&consumer{w: s.w, group: "g", member: "a", generation: s.generation + 1}).commit(9, "v", 1, 5))
	}},
	{"a commit of nobody", func(s *groupSession) string {
		return fmt.Sprint((&consumer{w: s.w, group: "g", member: "x", generation: s.generation}).commit(9, "v", 1, 5))
	}},
	beatOf("nobody leaves", "x", func(r *kmsg.ConsumerGroupHeartbeatRequest, _ int32) { going(r, -1) }),
	beatOf("leaves", "a", func(r *kmsg.ConsumerGroupHeartbeatRequest, _ int32) { going(r, -1) }),
	beatOf("a heartbeat after that", "a", going),
	beatOf("a static member", "s", func(r *kmsg.ConsumerGroupHeartbeatRequest, _ int32) { r.InstanceID = kmsg.StringPtr("i") }),
	beatOf("its double", "t", func(r *kmsg.ConsumerGroupHeartbeatRequest, _ int32) { r.InstanceID = kmsg.StringPtr("i") }),
	beatOf("it leaves for a while", "s", func(r *kmsg.ConsumerGroupHeartbeatRequest, _ int32) {
		going(r, -2)
		r.InstanceID = kmsg.StringPtr("i")
	}),
	beatOf("it is back under another id", "t", func(r *kmsg.ConsumerGroupHeartbeatRequest, _ int32) { r.InstanceID = kmsg.StringPtr("i") }),
	beatOf("the old id", "s", func(r *kmsg.ConsumerGroupHeartbeatRequest, e int32) {
		going(r, e)
		r.InstanceID = kmsg.StringPtr("i")
	}),
}

// Java clients that ask for ApiVersions below 4 do not bear a range that begins at 0.
func TestTheGroupFeatureIsToldAsItsClientBearsIt(t *testing.T) {
	s, _ := startServer(t)
	for version, least := range map[int16]int16{3: 1, 4: 0} {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "wire", "1"
		resp := ask[*kmsg.ApiVersionsResponse](dial(t, s.Addr("")), version, req)
		i := slices.IndexFunc(resp.SupportedFeatures, func(f kmsg.ApiVersionsResponseSupportedFeature) bool { return f.Name == "group.version" })
		if i < 0 || resp.SupportedFeatures[i].MinVersion != least || resp.SupportedFeatures[i].MaxVersion != 1 {
			t.Errorf("v%d: %+v", version, resp.SupportedFeatures)
		}
		if f := resp.FinalizedFeatures; len(f) != 2 || f[0].MaxVersionLevel != 1 || f[1].Name != "transaction.version" || f[1].MaxVersionLevel != 2 || resp.FinalizedFeaturesEpoch != 0 {
			t.Errorf("v%d: in force %+v, epoch %d", version, resp.FinalizedFeatures, resp.FinalizedFeaturesEpoch)
		}
	}
}
