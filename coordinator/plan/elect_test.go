package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// The stories of elections. "partition" sets the stage, "elect live=(1/5 2/6<4
// 3/7!)" goes on from the last state: broker 1 is registered in
// broker epoch 5, 2 in epoch 6 which goes on cleanly from 4, 3 is leaving; 4/9? has
// found its log lost in this epoch, and 5/9@8 has had its disk since epoch 8.
func TestElectionStories(t *testing.T) { tellStories(t, "testdata/elect") }

// The stories of reassignments: "start" and "cancel" are asked for, "join" is
// what the leader does, and "decide" is what a controller does.
func TestReassignmentStories(t *testing.T) { tellStories(t, "testdata/reassign") }

func tellStories(t *testing.T, file string) {
	var now image.Partition
	datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "partition":
			now = parsePartition(t, d)
			return show(now)
		case "elect":
			rules := ElectionRules{SyncedAcks: d.HasArg("synced"), Preferred: d.HasArg("preferred")}
			d.MaybeScanArgs(t, "min", &rules.MinInsync)
			next, changed := Elect(now, parseLives(t, d), rules)
			return become(&now, next, changed)
		case "start":
			now = StartReassignment(now, parsePartition(t, d).Replicas)
			return become(&now, now, true)
		case "cancel":
			now = CancelReassignment(now)
			return become(&now, now, true)
		case "join":
			var id int
			var epoch int64
			d.ScanArgs(t, "broker", &id)
			d.ScanArgs(t, "epoch", &epoch)
			now.ISR = append(slices.Clone(now.ISR), protocol.Member{ID: protocol.BrokerID(id), BrokerEpoch: protocol.BrokerEpoch(epoch)})
			return become(&now, now, true)
		case "decide":
			rules := ElectionRules{SyncedAcks: true}
			d.MaybeScanArgs(t, "min", &rules.MinInsync)
			next, changed := decide(now, parseLives(t, d), rules)
			return become(&now, next, changed)
		case "resign":
			var id int
			var epoch int64
			d.ScanArgs(t, "broker", &id)
			d.ScanArgs(t, "epoch", &epoch)
			next, changed := Resign(now, protocol.BrokerID(id), protocol.BrokerEpoch(epoch))
			return become(&now, next, changed)
		}
		t.Fatalf("unknown command %q", d.Cmd)
		return ""
	})
}

func become(now *image.Partition, next image.Partition, changed bool) string {
	if !changed {
		return "as it is\n"
	}
	*now = next
	now.PartitionEpoch++
	return show(*now)
}

func show(c image.Partition) string {
	text := fmt.Sprintf("leader %d epoch %d isr %v joined %v", c.Leader, c.LeaderEpoch, c.ISR.IDs(), c.Value().Joined)
	if c.Reassigned {
		text += fmt.Sprintf(" replicas %v adding %v removing %v", c.Replicas, c.Adding, c.Removing)
	}
	return text + "\n"
}

func parsePartition(t *testing.T, d *datadriven.TestData) (c image.Partition) {
	var isr []protocol.BrokerID
	var joined []protocol.BrokerEpoch
	leader := -1
	d.MaybeScanArgs(t, "leader", &leader)
	c.Leader = protocol.BrokerID(leader)
	for _, arg := range d.CmdArgs {
		for _, v := range arg.Vals {
			var n int64
			if _, err := fmt.Sscan(v, &n); err != nil {
				t.Fatal(err)
			}
			switch arg.Key {
			case "replicas":
				c.Replicas = append(c.Replicas, protocol.BrokerID(n))
			case "isr":
				isr = append(isr, protocol.BrokerID(n))
			case "joined":
				joined = append(joined, protocol.BrokerEpoch(n))
			}
		}
	}
	for i, id := range isr {
		m := protocol.Member{ID: id}
		if i < len(joined) {
			m.BrokerEpoch = joined[i]
		}
		c.ISR = append(c.ISR, m)
	}
	return c
}

func parseLives(t *testing.T, d *datadriven.TestData) LiveBrokers {
	brokers := LiveBrokers{}
	for _, arg := range d.CmdArgs {
		if arg.Key != "live" {
			continue
		}
		for _, v := range arg.Vals {
			var id protocol.BrokerID
			var b LiveBroker
			if v == "" {
				continue
			}
			v, lost := strings.CutSuffix(v, "?")
			v, since, _ := strings.Cut(v, "@")
			if since != "" {
				fmt.Sscan(since, &b.DirectorySince)
			}
			v, b.Leaving = strings.CutSuffix(v, "!")
			v, before, _ := strings.Cut(v, "<")
			if before != "" {
				fmt.Sscan(before, &b.PreviousEpoch)
			}
			if _, err := fmt.Sscanf(v, "%d/%d", &id, &b.Epoch); err != nil {
				t.Fatalf("%q: %v", v, err)
			}
			if lost {
				b.Lost = b.Epoch
			}
			brokers[id] = b
		}
	}
	return brokers
}

// Whoever lives and dies: a leader is a live member of the ISR it was chosen
// from, nobody is ever added, the last ones never go, a leader epoch has one
// leader in one broker epoch, and elections that are carried out come to rest.
func TestElectionsNeverChooseOutsideTheISR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []protocol.BrokerID{1, 2, 3, 4}[:rapid.IntRange(1, 4).Draw(t, "replicas")]
		now := image.Partition{PartitionState: protocol.PartitionState{Leader: 1, Replicas: ids}}
		brokers := LiveBrokers{}
		for _, id := range ids {
			brokers[id] = LiveBroker{Epoch: protocol.BrokerEpoch(id)}
			now.ISR = append(now.ISR, protocol.Member{ID: id, BrokerEpoch: protocol.BrokerEpoch(id)})
		}
		epoch := protocol.BrokerEpoch(100)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			epoch++
			id := rapid.SampledFrom(ids).Draw(t, "broker")
			before := brokers[id]
			switch rapid.SampledFrom([]string{"die", "crash", "restart", "leave", "resign", "none"}).Draw(t, "step") {
			case "die":
				delete(brokers, id)
			case "crash":
				brokers[id] = LiveBroker{Epoch: epoch}
			case "restart":
				brokers[id] = LiveBroker{Epoch: epoch, PreviousEpoch: before.Epoch}
			case "leave":
				if before.Epoch != 0 {
					before.Leaving = true
					brokers[id] = before
				}
			case "resign":
				now, _ = Resign(now, id, before.Epoch)
			}
			rules := ElectionRules{SyncedAcks: rapid.Bool().Draw(t, "synced"), Preferred: rapid.Bool().Draw(t, "preferred"),
				MinInsync: rapid.IntRange(0, 3).Draw(t, "min")}
			next, changed := Elect(now, brokers, rules)
			checkElection(t, now, next, brokers)
			again, moves := Elect(next, brokers, rules)
			for range 2 { // who stayed in a new epoch may be preferred after that, and lets one go that leaves
				if moves {
					again, moves = Elect(again, brokers, rules)
				}
			}
			if changed && moves {
				t.Fatalf("not at rest: %s then %s", show(next), show(again))
			}
			if changed {
				now = next
			}
		}
	})
}

func checkElection(t *rapid.T, now, next image.Partition, brokers LiveBrokers) {
	for _, m := range next.ISR {
		if !now.InSync(m.ID) {
			t.Fatalf("%d was added: %s then %s", m.ID, show(now), show(next))
		}
	}
	switch {
	case len(next.ISR) == 0:
		t.Fatalf("nobody is left of %s", show(now))
	case next.Leader != now.Leader && next.LeaderEpoch == now.LeaderEpoch:
		t.Fatalf("two leaders in one epoch: %s then %s", show(now), show(next))
	case next.Leader == protocol.NoBroker:
		return
	}
	leader := protocol.Member{ID: next.Leader, BrokerEpoch: brokers[next.Leader].Epoch}
	if !slices.Contains(next.ISR, leader) {
		t.Fatalf("leader is not a live member in its present epoch: %s", show(next))
	}
}
