package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
)

// The stories of who keeps the metadata. "members 1v 2l 3l!" is a voter and two
// learners, of which 3 does not live; ?l has been added and has not started. "next"
// carries promotions out until none is due, "down" and "up" are deaths and starts,
// "join" lets a broker in, "remove" takes one out.
func TestMembershipStories(t *testing.T) {
	var members []MetadataMember
	at := func(id protocol.BrokerID) int {
		return slices.IndexFunc(members, func(m MetadataMember) bool { return m.Broker == id })
	}
	datadriven.RunTest(t, "testdata/members", func(t *testing.T, d *datadriven.TestData) string {
		var id int
		d.MaybeScanArgs(t, "broker", &id)
		switch d.Cmd {
		case "members":
			members = parseMembers(t, d.CmdArgs)
		case "join":
			if !JoinsAsMember(members) {
				return "as a client"
			}
			members = append(members, MetadataMember{Broker: protocol.BrokerID(id), Live: true})
		case "down", "up":
			members[at(protocol.BrokerID(id))].Live = d.Cmd == "up"
		case "remove":
			if err := CheckMemberRemoval(members, protocol.BrokerID(id)); err != nil {
				return err.Error()
			}
			members = slices.Delete(members, at(protocol.BrokerID(id)), at(protocol.BrokerID(id))+1)
		case "next":
			var out strings.Builder
			for next, ok := NextVoter(members); ok; next, ok = NextVoter(members) {
				fmt.Fprintf(&out, "promote %d\n", next)
				members[at(next)].Votes = true
			}
			return out.String() + showMembers(members)
		default:
			t.Fatalf("what is %q?", d.Cmd)
		}
		return showMembers(members)
	})
}

func parseMembers(t *testing.T, args []datadriven.CmdArg) (members []MetadataMember) {
	for _, a := range args {
		text, down := strings.CutSuffix(a.Key, "!")
		m := MetadataMember{Broker: protocol.NoBroker, Votes: strings.HasSuffix(text, "v"), Live: !down}
		if n, err := strconv.Atoi(text[:len(text)-1]); err == nil {
			m.Broker = protocol.BrokerID(n)
		} else if m.Live = false; text[0] != '?' {
			t.Fatal(err)
		}
		members = append(members, m)
	}
	return members
}

func showMembers(members []MetadataMember) string {
	var all []string
	for _, m := range members {
		s := strconv.Itoa(int(m.Broker))
		if m.Broker == protocol.NoBroker {
			s = "?"
		}
		s += map[bool]string{true: "v", false: "l"}[m.Votes]
		if !m.Live && m.Broker != protocol.NoBroker {
			s += "!"
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

// TestNoStepOfMembershipCostsTheMajority: from any members of which a majority lives,
// promotions and the removals that are allowed keep one; promotions end, and end
// with an odd number if they began with one.
func TestNoStepOfMembershipCostsTheMajority(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var members []MetadataMember
		for id := range rapid.IntRange(1, 9).Draw(t, "members") {
			members = append(members, MetadataMember{
				Broker: protocol.BrokerID(id), Votes: id == 0 || rapid.Bool().Draw(t, "votes"), Live: id == 0 || rapid.Bool().Draw(t, "live"),
			})
		}
		healthy := func() bool {
			voters, live := 0, 0
			for _, m := range members {
				if m.Votes {
					voters++
				}
				if m.Votes && m.Live {
					live++
				}
			}
			return live >= majority(voters)
		}
		if !healthy() {
			t.Skip("there is no majority to begin with")
		}
		for steps := 0; ; steps++ {
			if steps > len(members) {
				t.Fatalf("promotions do not end: %s", showMembers(members))
			}
			next, ok := NextVoter(members)
			if !ok {
				break
			}
			i := slices.IndexFunc(members, func(m MetadataMember) bool { return m.Broker == next })
			if members[i].Votes || !members[i].Live {
				t.Fatalf("%d is promoted in %s", next, showMembers(members))
			}
			members[i].Votes = true
			if !healthy() {
				t.Fatalf("no majority after %d was promoted: %s", next, showMembers(members))
			}
		}
		i := rapid.IntRange(0, len(members)-1).Draw(t, "removed")
		if CheckMemberRemoval(members, members[i].Broker) == nil {
			members = slices.Delete(members, i, i+1)
			if !healthy() {
				t.Fatalf("no majority after a removal: %s", showMembers(members))
			}
		}
	})
}
