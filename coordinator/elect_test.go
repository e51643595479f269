package coordinator

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
)

// The stories of elections. "partition" sets the stage, "elect live=(1/5 2/6<4
// 3/7!)" goes on from the last state: broker 1 lives in incarnation 5, 2 in
// incarnation 6 which goes on cleanly from 4, 3 is leaving; 4/9? has found its
// log lost in this incarnation, and 5/9@8 has had its disk since incarnation 8.
func TestElectionStories(t *testing.T) { tellStories(t, "testdata/elect") }

// The stories of reassignments: "start" and "cancel" are asked for, "join" is
// what the leader does, and "decide" is what a controller does.
func TestReassignmentStories(t *testing.T) { tellStories(t, "testdata/reassign") }

func tellStories(t *testing.T, file string) {
	var now Partition
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
			var incarnation int64
			d.ScanArgs(t, "broker", &id)
			d.ScanArgs(t, "incarnation", &incarnation)
			now.ISR, now.Joined = append(slices.Clone(now.ISR), protocol.BrokerID(id)), append(slices.Clone(now.Joined), incarnation)
			return become(&now, now, true)
		case "decide":
			rules := ElectionRules{SyncedAcks: true}
			d.MaybeScanArgs(t, "min", &rules.MinInsync)
			next, changed := decidePartition(now, parseLives(t, d), rules)
			return become(&now, next, changed)
		case "resign":
			var id int
			var incarnation int64
			d.ScanArgs(t, "broker", &id)
			d.ScanArgs(t, "incarnation", &incarnation)
			next, changed := Resign(now, protocol.BrokerID(id), incarnation)
			return become(&now, next, changed)
		}
		t.Fatalf("unknown command %q", d.Cmd)
		return ""
	})
}

func become(now *Partition, next Partition, changed bool) string {
	if !changed {
		return "as it is\n"
	}
	*now = next
	now.PartitionEpoch++
	return show(*now)
}

func show(c Partition) string {
	text := fmt.Sprintf("leader %d epoch %d isr %v joined %v", c.Leader, c.LeaderEpoch, c.ISR, c.Joined)
	if c.reassigned {
		text += fmt.Sprintf(" replicas %v adding %v removing %v", c.Replicas, c.Adding, c.Removing)
	}
	return text + "\n"
}

func parsePartition(t *testing.T, d *datadriven.TestData) (c Partition) {
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
				c.ISR = append(c.ISR, protocol.BrokerID(n))
			case "joined":
				c.Joined = append(c.Joined, n)
			}
		}
	}
	c.Joined = beside(c.ISR, c.Joined)
	return c
}

func parseLives(t *testing.T, d *datadriven.TestData) Lives {
	lives := Lives{}
	for _, arg := range d.CmdArgs {
		if arg.Key != "live" {
			continue
		}
		for _, v := range arg.Vals {
			var id protocol.BrokerID
			var life Life
			if v == "" {
				continue
			}
			v, lost := strings.CutSuffix(v, "?")
			v, since, _ := strings.Cut(v, "@")
			if since != "" {
				fmt.Sscan(since, &life.Since)
			}
			v, life.Leaving = strings.CutSuffix(v, "!")
			v, before, _ := strings.Cut(v, "<")
			if before != "" {
				fmt.Sscan(before, &life.Before)
			}
			if _, err := fmt.Sscanf(v, "%d/%d", &id, &life.Incarnation); err != nil {
				t.Fatalf("%q: %v", v, err)
			}
			if lost {
				life.Lost = life.Incarnation
			}
			lives[id] = life
		}
	}
	return lives
}

// Whatever lives and dies: a leader is a live member of the ISR it was chosen
// from, nobody is ever added, the last ones never go, a leader epoch has one
// leader in one life, and an election that was carried out is at rest.
func TestElectionsNeverChooseOutsideTheISR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []protocol.BrokerID{1, 2, 3, 4}[:rapid.IntRange(1, 4).Draw(t, "replicas")]
		now := Partition{Leader: 1, Replicas: ids, ISR: slices.Clone(ids)}
		lives := Lives{}
		for _, id := range ids {
			lives[id] = Life{Incarnation: int64(id)}
			now.Joined = append(now.Joined, int64(id))
		}
		incarnation := int64(100)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			incarnation++
			id := rapid.SampledFrom(ids).Draw(t, "broker")
			before := lives[id]
			switch rapid.SampledFrom([]string{"die", "crash", "restart", "leave", "resign", "none"}).Draw(t, "step") {
			case "die":
				delete(lives, id)
			case "crash":
				lives[id] = Life{Incarnation: incarnation}
			case "restart":
				lives[id] = Life{Incarnation: incarnation, Before: before.Incarnation}
			case "leave":
				if before.Incarnation != 0 {
					before.Leaving = true
					lives[id] = before
				}
			case "resign":
				now, _ = Resign(now, id, before.Incarnation)
			}
			rules := ElectionRules{SyncedAcks: rapid.Bool().Draw(t, "synced"), Preferred: rapid.Bool().Draw(t, "preferred"),
				MinInsync: rapid.IntRange(0, 3).Draw(t, "min")}
			next, changed := Elect(now, lives, rules)
			checkElection(t, now, next, lives)
			again, moves := Elect(next, lives, rules)
			if moves && rules.Preferred {
				again, moves = Elect(again, lives, rules) // who stayed in a new life may be preferred after that
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

func checkElection(t *rapid.T, now, next Partition, lives Lives) {
	for _, id := range next.ISR {
		if !slices.Contains(now.ISR, id) {
			t.Fatalf("%d was added: %s then %s", id, show(now), show(next))
		}
	}
	switch {
	case len(next.ISR) == 0:
		t.Fatalf("nobody is left of %s", show(now))
	case len(next.ISR) != len(next.Joined):
		t.Fatalf("ISR and Joined differ in length: %s", show(next))
	case next.Leader != now.Leader && next.LeaderEpoch == now.LeaderEpoch:
		t.Fatalf("two leaders in one epoch: %s then %s", show(now), show(next))
	case next.Leader == protocol.NoBroker:
		return
	}
	at := slices.Index(next.ISR, next.Leader)
	if at < 0 || lives[next.Leader].Incarnation != next.Joined[at] {
		t.Fatalf("leader is not a live member in this life: %s", show(next))
	}
}
