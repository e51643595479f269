package broker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// coordinatorOf is where FindCoordinator sends a group's members, asked of any
// broker; 0 while there is nobody.
func (ps *peers) coordinatorOf(asked protocol.BrokerID, id string) protocol.BrokerID {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKeys = []string{id}
	resp := ask[*kmsg.FindCoordinatorResponse](dial(ps.t, ps.all[asked].Addr("")), 4, req)
	if c := resp.Coordinators[0]; c.ErrorCode == 0 {
		return protocol.BrokerID(c.NodeID)
	}
	return 0
}

// Goal: every broker names the same coordinator, and only that one serves the
// group; the others send members on.
func TestAGroupIsServedByTheLeaderOfItsPartitionAlone(t *testing.T) {
	ps := startPeers(t, 3, quickSessions)
	ps.create("v", 2, 1, 2, 3)
	for i := range 4 {
		id := fmt.Sprint("group-", i)
		at := ps.coordinatorOf(1, id)
		index := group.PartitionOf(id, 4)
		for broker, p := range ps.all {
			ps.await("all to name one coordinator", func() bool { return ps.coordinatorOf(broker, id) == at })
			c := consumer{w: dial(t, p.Addr("")), group: id}
			if broker == at {
				ps.await("the group to be served", func() bool { return c.join(9).ErrorCode == 0 })
				continue
			}
			if code := c.join(9).ErrorCode; code != kerr.NotCoordinator.Code {
				t.Errorf("broker %d, which does not lead partition %d, answers with code %d", broker, index, code)
			}
			if _, code := c.committed("v", 0); code != kerr.NotCoordinator.Code {
				t.Errorf("broker %d, which does not lead partition %d, answers for offsets with code %d", broker, index, code)
			}
		}
	}
}

// Goal: a group goes on in its generation, with its offsets, when its
// coordinator's broker goes: no rebalance, nothing lost. Method: one member of each protocol,
// by the wire; their broker is stopped and their next heartbeats go to the next.
func TestMembersGoOnWhereTheyWereAtTheNextCoordinator(t *testing.T) {
	ps := startPeers(t, 3, withoutDelay, func(c *Config) { c.Groups.OffsetsPartitions = 1 })
	ps.create("v", 3, 1, 2, 3)
	at := ps.coordinatorOf(1, "g")
	classic := consumer{w: dial(t, ps.all[at].Addr("")), group: "g"}
	ps.await("the member to join", func() bool { return classic.join(9).ErrorCode == 0 })
	if code := classic.sync(5).ErrorCode; code != 0 {
		t.Fatalf("sync: code %d", code)
	}
	modern := consumer{w: classic.w, group: "h", member: "m"}
	told := ask[*kmsg.ConsumerGroupHeartbeatResponse](modern.w, 1, joinAs("h", "m", "v"))
	modern.generation = told.MemberEpoch
	for p := range int32(3) {
		if a, b := classic.commit(9, "v", p, 100+int64(p)), modern.commit(9, "v", p, 200+int64(p)); a != 0 || b != 0 {
			t.Fatalf("commit: codes %d, %d", a, b)
		}
	}

	ps.halt(at)
	other := at%3 + 1
	var next protocol.BrokerID
	ps.await("another coordinator", func() bool { next = ps.coordinatorOf(other, "g"); return next > 0 && next != at })
	classic.w = dial(t, ps.all[next].Addr(""))
	modern.w = classic.w
	ps.await("the groups to be loaded", func() bool { _, code := classic.committed("v", 0); return code == 0 })
	for p := range int32(3) {
		if offset, _ := classic.committed("v", p); offset != 100+int64(p) {
			t.Errorf("the classic group is at %d of partition %d", offset, p)
		}
		if offset, _ := modern.committed("v", p); offset != 200+int64(p) {
			t.Errorf("the consumer group is at %d of partition %d", offset, p)
		}
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID, beat.Generation = "g", classic.member, classic.generation
	if code := ask[*kmsg.HeartbeatResponse](classic.w, 4, beat).ErrorCode; code != 0 {
		t.Errorf("the classic member's heartbeat gets code %d", code)
	}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch = "h", "m", told.MemberEpoch
	if resp := ask[*kmsg.ConsumerGroupHeartbeatResponse](modern.w, 1, req); resp.ErrorCode != 0 || resp.MemberEpoch != told.MemberEpoch || resp.Assignment != nil {
		t.Errorf("the consumer's heartbeat gets %+v", resp)
	}
	if code := classic.commit(9, "v", 0, 300); code != 0 {
		t.Errorf("a commit at the next coordinator gets code %d", code)
	}
}

// Goal: while too few replicas are in sync to write, members are told to come
// again, nothing that was refused is remembered, and all goes on by itself.
// Method: of two brokers, with min.insync.replicas=2, the one that follows stops and comes back.
func TestAGroupWaitsWhileTooFewReplicasAreInSync(t *testing.T) {
	ps := startPeers(t, 2, withoutDelay, func(c *Config) {
		c.Groups.OffsetsPartitions = 1
		c.TopicDefaults = map[string]string{"min.insync.replicas": "2"}
	})
	ps.create("v", 1, 1, 2)
	var at protocol.BrokerID
	ps.await("a coordinator", func() bool { at = ps.coordinatorOf(1, "g"); return at > 0 })
	c := consumer{w: dial(t, ps.all[at].Addr("")), group: "g"}
	ps.await("a commit", func() bool { return c.commit(9, "v", 0, 7) == 0 })
	ps.halt(3 - at)
	offsets := ps.partition(at, offsetsTopic, 0)
	ps.await("the follower to be out of sync", func() bool { return len(offsets.State().ISR) == 1 })
	if code := c.commit(9, "v", 0, 8); code != kerr.CoordinatorNotAvailable.Code {
		t.Errorf("the first commit gets code %d", code)
	}
	if code := c.commit(9, "v", 0, 9); code != kerr.CoordinatorLoadInProgress.Code {
		t.Errorf("the commit behind it gets code %d", code)
	}
	ps.restart(3 - at)
	ps.await("the offset", func() bool {
		offset, code := c.committed("v", 0)
		if code == 0 && offset != 7 {
			t.Fatalf("the offset is %d", offset)
		}
		return code == 0
	})
	ps.await("the next commit", func() bool { return c.commit(9, "v", 0, 10) == 0 })
}

// Goal: groups begin on the first broker of a cluster, at once, and are as safe
// as they should be once there are three.
func TestTheOffsetsTopicGrowsWithItsCluster(t *testing.T) {
	ps := startPeers(t, 1, quickSessions)
	ps.create("v", 1, 1)
	c := consumer{w: dial(t, ps.all[1].Addr("")), group: "g"}
	ps.await("a commit", func() bool { return c.commit(9, "v", 0, 7) == 0 })
	for id := protocol.BrokerID(2); id <= 3; id++ {
		cfg := ps.all[1].cfg
		cfg.NodeID, cfg.DataDir = id, t.TempDir()
		ps.all[id] = ps.begin(cfg)
		ps.all[id].waitReady(t)()
	}
	ps.await("three replicas in sync of each partition", func() bool {
		it, _ := ps.all[1].cluster.Image().Topic(offsetsTopic)
		return !slices.ContainsFunc(it.Partitions, func(p image.Partition) bool { return len(p.Replicas) != 3 || len(p.ISR) != 3 })
	})
	ps.halt(1)
	ps.await("the offset at another broker", func() bool {
		at := ps.coordinatorOf(2, "g")
		if at < 2 {
			return false
		}
		c.w = dial(t, ps.all[at].Addr(""))
		offset, code := c.committed("v", 0)
		return code == 0 && offset == 7
	})
}
