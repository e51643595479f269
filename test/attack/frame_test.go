package attack

import (
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestALengthThatNoFrameHasClosesTheConnection(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	for length, why := range map[int32]string{
		-1:          "frame length -1 is negative",
		-1 << 31:    "is negative",
		0:           "frame length is zero",
		1<<31 - 1:   "over the limit",
		100<<20 + 1: "over the limit",
		0x47455420:  "the client speaks HTTP, which is served at http://" + v.http,
		0x504f5354:  "the client speaks HTTP", // POST
		0x16030102:  "the client speaks TLS, and listener \\\"PLAINTEXT\\\" is plain text",
		0x50524f58:  "PROXY protocol",
	} {
		s := v.dial()
		s.send(append(claimed(length), "some more bytes"...))
		s.refused(why)
	}
	b.stillServed()
}

func TestAFrameThatEndsEarlyClosesTheConnection(t *testing.T) {
	v := attacked(t)
	whole := request(kmsg.NewPtrMetadataRequest(), 9)
	for n := 1; n < len(whole); n++ {
		s := v.dial()
		s.send(whole[:n])
		s.nc.CloseWrite()
		if b := s.answer(); b != nil {
			t.Errorf("%d bytes of %d were answered", n, len(whole))
		}
		s.saidOnce("unexpected EOF")
	}
}

// A claim costs its claimer's bytes, not the broker's memory.
func TestClaimsOf100MiBHoldNoMemoryBeforeTheirBytesCome(t *testing.T) {
	t.Parallel()
	p := attackedProcess(t)
	b := p.bystand()
	const connections, bound = 500, 64 << 20
	before := p.memory()
	sent := append(claimed(100<<20), rawHeader(0, 9, true)...)
	for i := range connections {
		s := p.dial()
		s.send(append(sent, make([]byte, i%2*8000)...))
	}
	b.progress()
	grown := p.memory() - before
	t.Logf("%d claims of 100 MiB: %d KiB each", connections, grown/connections>>10)
	if grown > bound {
		t.Errorf("%d MiB for %d claims, want %d at most", grown>>20, connections, bound>>20)
	}
	b.stillServed()
}

// Goal: whoever fills the budget does not keep it. Method: a budget of 16 MiB,
// filled with claims whose first step has come, and a client that needs as much.
func TestClaimsThatStallGiveWayToThoseWhoSend(t *testing.T) {
	t.Parallel()
	v := attacked(t, func(c *broker.Config) { c.RequestBytesMax, c.FramesBytesMax = 8<<20, 16<<20 })
	b := v.bystand()
	const attackers = 8
	var all []*socket
	for range attackers {
		s := v.dial()
		s.send(append(claimed(4<<20), append(rawHeader(0, 9, true), make([]byte, 20<<10)...)...))
		all = append(all, s)
	}
	honest := v.dial()
	honest.send(rawRequest(0, 9, true, make([]byte, 4<<20-100)))
	honest.refused("Produce v9") // it arrived as a whole, and was read: that is all that is asked here
	cut := 0
	for _, s := range all {
		cut += v.log.count("from="+s.nc.LocalAddr().String()+" ", "too slowly")
	}
	if cut == 0 {
		t.Errorf("no stalled claim gave way")
	}
	t.Logf("%d of %d stalled claims gave way", cut, attackers)
	b.stillServed()
}

func TestARequestByteByByteIsAnsweredIfItComesInTime(t *testing.T) {
	v := attacked(t)
	s := v.dial()
	s.nc.SetNoDelay(true)
	for _, c := range request(kmsg.NewPtrMetadataRequest(), 9) {
		s.send([]byte{c})
	}
	if s.answer() == nil {
		t.Errorf("closed")
	}
}

func TestAFrameOfWhichNothingMoreComesIsClosedAfterTheFrameTimeout(t *testing.T) {
	t.Parallel()
	v := attacked(t, func(c *broker.Config) { c.FrameTimeout = 200 * time.Millisecond })
	b := v.bystand()
	for name, first := range map[string][]byte{
		"in its length": {0},
		"in its body":   claimed(1000),
		"in the middle": append(claimed(150<<10), make([]byte, 100<<10)...),
	} {
		t.Run(name, func(t *testing.T) {
			s := v.dial()
			s.t = t
			s.send(first)
			s.refused("timeout")
		})
	}
	b.stillServed()
}

// A slow link takes the time that it takes, as long as bytes come.
func TestARequestThatComesSlowlyIsServed(t *testing.T) {
	t.Parallel()
	v := attacked(t, func(c *broker.Config) { c.FrameTimeout = 300 * time.Millisecond })
	for name, size := range map[string]int{"a small one": 60, "one of several steps": 100 << 10} {
		t.Run(name, func(t *testing.T) {
			s := v.dial()
			s.t = t
			s.nc.SetNoDelay(true)
			req := request(fetchOf(size/40+1), 12)
			const pieces = 15
			for i := range pieces {
				s.send(req[i*len(req)/pieces : (i+1)*len(req)/pieces])
				time.Sleep(60 * time.Millisecond)
			}
			if s.answer() == nil {
				t.Errorf("closed:\n%s", v.log.tail())
			}
		})
	}
}

// fetchOf asks for so many partitions of a topic that is not there.
func fetchOf(partitions int) *kmsg.FetchRequest {
	rt := partitionOf("nowhere", 0)
	one := rt.Partitions[0]
	rt.Partitions = make([]kmsg.FetchRequestTopicPartition, partitions)
	for i := range rt.Partitions {
		rt.Partitions[i] = one
		rt.Partitions[i].Partition = int32(i)
	}
	return fetchRequest(rt)
}

// Goal: what one client asks about is as much as Kafka lets it ask about. Method:
// requests of several MiB with as many elements as the largest cluster has
// partitions, each of which gets its answer.
func TestRequestsOfManyMegabytesAreServed(t *testing.T) {
	t.Parallel()
	const partitions = 200_000
	v := attacked(t)
	b := v.bystand()
	s := v.dial()
	fetched := ask[*kmsg.FetchResponse](s, fetchOf(partitions), 12)
	if n := len(fetched.Topics[0].Partitions); n != partitions {
		t.Errorf("Fetch: told of %d partitions", n)
	}
	list := kmsg.NewPtrListOffsetsRequest()
	lt := kmsg.NewListOffsetsRequestTopic()
	lt.Topic, lt.Partitions = "nowhere", make([]kmsg.ListOffsetsRequestTopicPartition, partitions)
	list.Topics = append(list.Topics, lt)
	if n := len(ask[*kmsg.ListOffsetsResponse](s, list, 6).Topics[0].Partitions); n != partitions {
		t.Errorf("ListOffsets: told of %d partitions", n)
	}
	groups := kmsg.NewPtrOffsetFetchRequest()
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = "g"
	gt := kmsg.NewOffsetFetchRequestGroupTopic()
	gt.Topic, gt.Partitions = "nowhere", make([]int32, 2*partitions)
	group.Topics = append(group.Topics, gt)
	groups.Groups = append(groups.Groups, group)
	if n := len(ask[*kmsg.OffsetFetchResponse](s, groups, 9).Groups); n != 1 {
		t.Errorf("OffsetFetch: told of %d groups", n)
	}
	b.stillServed()
}

// Goal: large requests together hold what the budget has for them, whatever they
// are made of, and whether anybody reads the answers or not. Method: a broker with
// a process of its own, and requests that are all elements, and such that are
// large for honest reasons and whose answers stay where they are.
func TestLargeRequestsTogetherStayWithinTheBudget(t *testing.T) {
	t.Parallel()
	const budget, bound = 512 << 20, 2 * 512 << 20 // and the collector needs its share
	p := attackedProcess(t)
	b := p.bystand()
	elements := append([]byte{0x80, 0x80, 0x80, 0x04}, make([]byte, 30<<20)...) // 8,388,607 topics of a few zeros each
	for range 4 {
		s := p.dial()
		s.send(rawRequest(19, 7, true, elements))
		s.refused("too many elements")
	}
	unread := request(fetchOf(400_000), 12)
	for range 30 {
		s := p.dial()
		go s.send(unread)
	}
	for range 10 {
		b.progress()
	}
	most := p.memoryMost()
	t.Logf("at most %d MiB were resident", most>>20)
	if most > bound {
		t.Errorf("%d MiB were resident, want %d at most with a budget of %d", most>>20, bound>>20, budget>>20)
	}
	b.stillServed()
}

func TestAnIdleConnectionIsClosedInSilence(t *testing.T) {
	t.Parallel()
	v := attacked(t, func(c *broker.Config) { c.IdleTimeout = 100 * time.Millisecond })
	s := v.dial()
	s.alive()
	if s.answer() != nil {
		t.Errorf("an answer to nothing")
	}
	if n := v.log.count("from=" + s.nc.LocalAddr().String()); n != 0 {
		t.Errorf("%d lines about an idle connection", n)
	}
}

func TestAHalfClosedConnectionGetsItsAnswers(t *testing.T) {
	v := attacked(t)
	s := v.dial()
	const n = 10
	for range n {
		s.send(request(kmsg.NewPtrMetadataRequest(), 9))
	}
	s.nc.CloseWrite()
	for i := range n {
		if s.answer() == nil {
			t.Fatalf("closed after %d answers of %d", i, n)
		}
	}
	if s.answer() != nil {
		t.Errorf("an answer too many")
	}
}

func TestAnAttackerOverTheConnectionLimitIsTurnedAway(t *testing.T) {
	v := attacked(t, func(c *broker.Config) { c.ConnectionsMax = 20 })
	var all []*socket
	for range 20 {
		s := v.dial()
		s.alive()
		all = append(all, s)
	}
	if s := v.dial(); s.answer() != nil {
		t.Errorf("the connection over the limit was served")
	}
	all[0].nc.Close()
	eventually(t, "a place is free again", func() bool {
		s, err := v.tryDial()
		if err != nil {
			return false
		}
		defer s.nc.Close()
		s.send(request(kmsg.NewPtrApiVersionsRequest(), 0))
		return s.answer() != nil
	})
	for _, s := range all[1:] {
		s.alive()
	}
}
