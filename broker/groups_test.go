package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// quickSessions lets members be missed soon.
func quickSessions(c *Config) {
	withoutDelay(c)
	c.Groups.SessionMin = 500 * time.Millisecond
	c.Groups.OffsetsPartitions = 4
}

// groupMember is a stock consumer whose network can be cut.
type groupMember struct {
	*kgo.Client
	mu struct {
		sync.Mutex
		cut   bool
		conns []net.Conn
	}
}

func newGroupMember(t *testing.T, addr, group, topic string, opts ...kgo.Opt) *groupMember {
	t.Helper()
	m := &groupMember{}
	opts = append([]kgo.Opt{
		kgo.SeedBrokers(addr), kgo.Dialer(m.dial), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.SessionTimeout(time.Second), kgo.HeartbeatInterval(100 * time.Millisecond), kgo.RebalanceTimeout(5 * time.Second),
		kgo.DisableAutoCommit(), kgo.FetchMaxWait(100 * time.Millisecond),
	}, opts...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	m.Client = cl
	t.Cleanup(cl.CloseAllowingRebalance)
	return m
}

var errCut = errors.New("the network is cut")

func (m *groupMember) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.cut {
		nc.Close()
		return nil, errCut
	}
	m.mu.conns = append(m.mu.conns, nc)
	return nc, nil
}

// kill cuts the member off: the broker does not hear of it any more.
func (m *groupMember) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.cut = true
	for _, nc := range m.mu.conns {
		nc.Close()
	}
}

// read polls until done says so, and passes on what was read.
func (m *groupMember) read(t *testing.T, each func(*kgo.Record) (done bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wireTimeout)
	defer cancel()
	for done := false; !done; {
		fetches := m.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatal("the records did not all arrive")
		}
		fetches.EachRecord(func(r *kgo.Record) { done = each(r) || done })
	}
}

// writeNumbered writes n records to each partition, with values of their own.
func writeNumbered(t *testing.T, cl *kgo.Client, topic string, partitions int32, from, n int) {
	t.Helper()
	var rs []*kgo.Record
	for p := range partitions {
		for i := range n {
			rs = append(rs, &kgo.Record{Topic: topic, Partition: p, Value: fmt.Appendf(nil, "%d/%d", p, from+i)})
		}
	}
	if err := cl.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// Goal: a group works with stock clients, and nothing is lost when a member
// dies. Method: two members share six partitions; one is cut off after it has
// read what it never commits; the other must read everything.
func TestASurvivorReadsWhatADeadMemberHasNotCommitted(t *testing.T) {
	const topic, partitions, each = "shared", 6, 50
	s, cl := startServer(t, quickSessions)
	dial(t, s.Addr("")).createTopic(topic, partitions)
	writeNumbered(t, cl, topic, partitions, 0, each)

	a := newGroupMember(t, s.Addr(""), "g", topic, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	seen := map[string]bool{}
	a.read(t, func(r *kgo.Record) bool { seen[string(r.Value)] = true; return len(seen) >= each })
	if err := a.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := newGroupMember(t, s.Addr(""), "g", topic, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	stop := make(chan struct{})
	var reading sync.WaitGroup
	var mu sync.Mutex
	reading.Go(func() { // A goes on, or the group could not rebalance
		for ctx := t.Context(); ; {
			select {
			case <-stop:
				return
			default:
			}
			poll, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			a.PollFetches(poll).EachRecord(func(r *kgo.Record) { mu.Lock(); seen[string(r.Value)] = true; mu.Unlock() })
			cancel()
		}
	})
	awaitMembers(t, cl, "g", 2)
	writeNumbered(t, cl, topic, partitions, each, each)
	b.read(t, func(*kgo.Record) bool { return true })
	b.kill()
	for n := 0; n < partitions*2*each; {
		mu.Lock()
		n = len(seen)
		mu.Unlock()
		time.Sleep(10 * time.Millisecond)
		if t.Context().Err() != nil {
			t.Fatalf("%d of %d records were read", n, partitions*2*each)
		}
	}
	close(stop)
	reading.Wait()
}

// awaitMembers waits until a group is stable with n members that all have
// something assigned.
func awaitMembers(t *testing.T, cl *kgo.Client, group string, n int) kadm.DescribedGroup {
	t.Helper()
	for {
		gs, err := kadm.NewClient(cl).DescribeGroups(t.Context(), group)
		if err != nil {
			t.Fatal(err)
		}
		g := gs[group]
		if g.State == "Stable" && len(g.Members) == n {
			assigned := 0
			for _, m := range g.Members {
				if c, ok := m.Assigned.AsConsumer(); ok && len(c.Topics) > 0 {
					assigned++
				}
			}
			if assigned == n {
				return g
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Goal: a broker that comes back knows its groups. Method: offsets and a stable
// member before, the same offsets and the member's next heartbeat after.
func TestAGroupOutlivesItsBroker(t *testing.T) {
	dir := t.TempDir()
	again := func(c *Config) { withoutDelay(c); c.DataDir, c.Groups.OffsetsPartitions = dir, 4 }
	var member consumer
	t.Run("before", func(t *testing.T) {
		s, _ := startServer(t, again)
		w := dial(t, s.Addr(""))
		w.createTopic("v", 3)
		member = consumer{w: w, group: "g"}
		if member.join(9).ErrorCode != 0 || member.sync(5).ErrorCode != 0 {
			t.Fatal("the group did not form")
		}
		for p := range int32(3) {
			if code := member.commit(9, "v", p, 100+int64(p)); code != 0 {
				t.Fatalf("commit: code %d", code)
			}
		}
	})
	t.Run("after", func(t *testing.T) {
		s, _ := startServer(t, again)
		member.w = dial(t, s.Addr(""))
		for p := range int32(3) {
			if offset, code := member.committed("v", p); offset != 100+int64(p) || code != 0 {
				t.Errorf("partition %d: offset %d, code %d", p, offset, code)
			}
		}
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.Generation = "g", member.member, member.generation
		if code := ask[*kmsg.HeartbeatResponse](member.w, 4, req).ErrorCode; code != 0 {
			t.Errorf("the member's heartbeat gets code %d", code)
		}
		if resp := member.sync(5); string(resp.MemberAssignment) != "all" {
			t.Errorf("the assignment is %q, code %d", resp.MemberAssignment, resp.ErrorCode)
		}
	})
}

func awaitState(t *testing.T, cl *kgo.Client, group, state string) kadm.DescribedGroup {
	t.Helper()
	for {
		gs, err := kadm.NewClient(cl).DescribeGroups(t.Context(), group)
		if err != nil {
			t.Fatal(err)
		}
		if g := gs[group]; g.State == state {
			return g
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Goal: a client that leaves does not hold its connection while the answer to
// its join is minutes away. Method: a second member waits for the first, which
// never joins again, and hangs up.
func TestAJoinWhoseClientHasLeftHoldsNoConnection(t *testing.T) {
	s, _ := startServer(t, withoutDelay)
	first := consumer{w: dial(t, s.Addr("")), group: "g"}
	first.join(9)
	first.sync(5)
	before := s.sockets.Connections()
	nc, err := net.Dial("tcp", s.Addr(""))
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.ProtocolType = 3, "g", "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 600_000, 600_000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscribed("v")}}
	if _, err := nc.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)); err != nil {
		t.Fatal(err)
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID, beat.Generation = "g", first.member, first.generation
	for ask[*kmsg.HeartbeatResponse](first.w, 4, beat).ErrorCode != kerr.RebalanceInProgress.Code {
	}
	nc.Close()
	for s.sockets.Connections() > before {
		time.Sleep(time.Millisecond)
	}
}

// Goal: who waits is told when the coordinator goes, and finds the next one.
// Method: the offsets topic is deleted while a member waits to join.
func TestWaitingMembersAreToldThatTheirCoordinatorIsGone(t *testing.T) {
	s, cl := startServer(t, withoutDelay)
	first := consumer{w: dial(t, s.Addr("")), group: "g"}
	first.join(9)
	first.sync(5)
	told := make(chan int16)
	second := consumer{w: dial(t, s.Addr("")), group: "g"}
	go func() { told <- second.join(3).ErrorCode }()
	awaitState(t, cl, "g", "PreparingRebalance")
	if _, err := kadm.NewClient(cl).DeleteTopics(t.Context(), offsetsTopic); err != nil {
		t.Fatal(err)
	}
	if code := <-told; code != kerr.NotCoordinator.Code {
		t.Errorf("the member that waited got code %d", code)
	}
	second.member = ""
	if code := second.join(3).ErrorCode; code != 0 {
		t.Errorf("the next join got code %d", code)
	}
}

// Goal: Kafka's tools read the offsets topic. Method: kmsg, which is made from
// Kafka's own definitions, decodes every record of it.
func TestTheOffsetsTopicHoldsKafkasRecords(t *testing.T) {
	s, _ := startServer(t, withoutDelay, func(c *Config) { c.Groups.OffsetsPartitions = 1 })
	w := dial(t, s.Addr(""))
	w.createTopic("v", 1)
	m := consumer{w: w, group: "g"}
	m.join(9)
	m.sync(5)
	m.commit(9, "v", 0, 42)
	m.leave(5)
	m.commit(4, "v", 0, 43)
	del := kmsg.NewPtrDeleteGroupsRequest()
	del.Groups = []string{"g"}
	ask[*kmsg.DeleteGroupsResponse](w, 2, del)

	reader, err := kgo.NewClient(kgo.SeedBrokers(s.Addr("")), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{offsetsTopic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var got []string
	for len(got) < 6 {
		reader.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) { got = append(got, readOffsetsRecord(t, r)) })
	}
	want := []string{
		"group g: generation 1 range leader true members 1 assigned all",
		"offset g v-0: 42 epoch -1 note",
		"group g: generation 2 null leader false members 0 assigned ",
		"offset g v-0: 43 epoch -1 note",
		"offset g v-0: gone",
		"group g: gone",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("record %d: %s, want %s", i, got[i], want[i])
		}
	}
}

func readOffsetsRecord(t *testing.T, r *kgo.Record) string {
	t.Helper()
	if r.Key[1] == 2 {
		return readGroupRecord(t, r)
	}
	var k kmsg.OffsetCommitKey
	if err := k.ReadFrom(r.Key); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("offset %s %s-%d", k.Group, k.Topic, k.Partition)
	if r.Value == nil {
		return name + ": gone"
	}
	var v kmsg.OffsetCommitValue
	if err := v.ReadFrom(r.Value); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s: %d epoch %d %s", name, v.Offset, v.LeaderEpoch, v.Metadata)
}

func readGroupRecord(t *testing.T, r *kgo.Record) string {
	t.Helper()
	var k kmsg.GroupMetadataKey
	if err := k.ReadFrom(r.Key); err != nil {
		t.Fatal(err)
	}
	if r.Value == nil {
		return fmt.Sprintf("group %s: gone", k.Group)
	}
	var v kmsg.GroupMetadataValue
	if err := v.ReadFrom(r.Value); err != nil {
		t.Fatal(err)
	}
	protocol, assigned := "null", ""
	if v.Protocol != nil {
		protocol = *v.Protocol
	}
	for _, m := range v.Members {
		assigned += string(m.Assignment)
	}
	return fmt.Sprintf("group %s: generation %d %s leader %v members %d assigned %s", k.Group, v.Generation, protocol, v.Leader != nil, len(v.Members), assigned)
}

// Clients may read the offsets topic and not write it; it is said to be internal.
func TestTheOffsetsTopicIsInternalAndNotForClientsToWrite(t *testing.T) {
	s, cl := startServer(t, withoutDelay)
	m := consumer{w: dial(t, s.Addr("")), group: "g"}
	m.committed("v", 0)
	topics, err := kadm.NewClient(cl).ListTopicsWithInternal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := topics[offsetsTopic]; !d.IsInternal || len(d.Partitions) != 50 || d.Partitions.NumReplicas() != 1 {
		t.Errorf("internal %v, %d partitions, %d replicas", d.IsInternal, len(d.Partitions), d.Partitions.NumReplicas())
	}
	err = cl.ProduceSync(t.Context(), &kgo.Record{Topic: offsetsTopic, Key: []byte("k"), Value: []byte("v")}).FirstErr()
	if !errors.Is(err, kerr.InvalidTopicException) {
		t.Errorf("a client's record in the offsets topic: %v", err)
	}
}

// Goal: groups of a deleted topic forget its offsets; those of others stay.
func TestOffsetsOfADeletedTopicAreForgotten(t *testing.T) {
	s, cl := startServer(t, quickSessions)
	w := dial(t, s.Addr(""))
	w.createTopic("gone", 1)
	w.createTopic("kept", 1)
	m := consumer{w: w, group: "g"}
	m.commit(9, "gone", 0, 5)
	m.commit(9, "kept", 0, 6)
	if _, err := kadm.NewClient(cl).DeleteTopics(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	w.createTopic("gone", 1)
	for {
		if offset, _ := m.committed("gone", 0); offset == -1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if offset, _ := m.committed("kept", 0); offset != 6 {
		t.Errorf("the other topic's offset is %d", offset)
	}
}

// Goal: many members settle soon and share everything. Method: 20 stock
// consumers of one process join at once; each partition has one owner.
func TestManyMembersSettleAndEachPartitionHasOneOwner(t *testing.T) {
	const members, partitions = 20, 60
	s, cl := startServer(t, func(c *Config) { c.Groups.InitialRebalanceDelay = Give(200 * time.Millisecond) })
	dial(t, s.Addr("")).createTopic("many", partitions)
	for range members {
		m := newGroupMember(t, s.Addr(""), "crowd", "many", kgo.Balancers(kgo.RangeBalancer()), kgo.SessionTimeout(10*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		var polling sync.WaitGroup
		polling.Go(func() {
			for ctx.Err() == nil {
				m.PollFetches(ctx)
			}
		})
		t.Cleanup(func() { cancel(); polling.Wait() })
	}
	g := awaitMembers(t, cl, "crowd", members)
	owners := map[int32]string{}
	for _, m := range g.Members {
		c, _ := m.Assigned.AsConsumer()
		for _, p := range c.Topics[0].Partitions {
			if other, taken := owners[p]; taken {
				t.Errorf("partition %d is owned by %s and %s", p, other, m.MemberID)
			}
			owners[p] = m.MemberID
		}
	}
	if len(owners) != partitions {
		t.Errorf("%d of %d partitions have an owner", len(owners), partitions)
	}
}

// A small request cannot ask for the same large answer again and again.
func TestAGroupThatIsNamedTwiceIsAnsweredOnce(t *testing.T) {
	s, _ := startServer(t, withoutDelay)
	w := dial(t, s.Addr(""))
	w.createTopic("v", 1)
	c := consumer{w: w, group: "g"}
	c.commit(9, "v", 0, 5)
	fetch := kmsg.NewPtrOffsetFetchRequest()
	describe := kmsg.NewPtrDescribeGroupsRequest()
	for range 3 {
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = "g"
		fetch.Groups = append(fetch.Groups, g)
		describe.Groups = append(describe.Groups, "g")
	}
	fetched := ask[*kmsg.OffsetFetchResponse](w, 9, fetch).Groups
	described := ask[*kmsg.DescribeGroupsResponse](w, 5, describe).Groups
	for i := range 3 {
		want := kerr.InvalidRequest.Code
		if i == 0 {
			want = 0
		}
		if fetched[i].ErrorCode != want || len(fetched[i].Topics) != 1 && i == 0 || described[i].ErrorCode != want {
			t.Errorf("naming %d: offsets %+v, description %+v", i, fetched[i], described[i])
		}
	}
}

// Goal: a static member that is started again goes on where it was, without a
// rebalance (KIP-345). Method: a stock client with an instance id ends, without
// leaving, and another takes its place.
func TestAStaticMemberComesBackToItsGeneration(t *testing.T) {
	s, cl := startServer(t, quickSessions)
	dial(t, s.Addr("")).createTopic("v", 2)
	writeNumbered(t, cl, "v", 2, 0, 1)
	generationOf := func(m *groupMember) int32 {
		m.read(t, func(*kgo.Record) bool { return true })
		_, generation := m.GroupMetadata()
		return generation
	}
	static := []kgo.Opt{kgo.InstanceID("i1"), kgo.SessionTimeout(30 * time.Second), kgo.Balancers(kgo.RangeBalancer())}
	before := newGroupMember(t, s.Addr(""), "g", "v", static...)
	first := generationOf(before)
	before.Close()
	after := newGroupMember(t, s.Addr(""), "g", "v", static...)
	if second := generationOf(after); second != first {
		t.Errorf("it came back to generation %d, and left in %d", second, first)
	}
	if g := awaitMembers(t, cl, "g", 1); *g.Members[0].InstanceID != "i1" {
		t.Errorf("the member is %+v", g.Members[0])
	}
}
