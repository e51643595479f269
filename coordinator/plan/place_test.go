package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// The stories of placement. "place brokers=(1/a 2/b) n=3 rf=2 start=0" tells
// each partition's replicas, the leader first.
func TestPlacementStories(t *testing.T) {
	datadriven.RunTest(t, "testdata/place", func(t *testing.T, d *datadriven.TestData) string {
		var n, rf, start int
		d.ScanArgs(t, "n", &n)
		d.ScanArgs(t, "rf", &rf)
		d.MaybeScanArgs(t, "start", &start)
		plan, err := Place(parseBrokers(t, d), n, rf, start)
		if err != nil {
			return err.Error() + "\n"
		}
		var b strings.Builder
		for p, replicas := range plan {
			fmt.Fprintf(&b, "%d: %v\n", p, replicas)
		}
		return b.String()
	})
}

// parseBrokers reads ID/RACK or ID.
func parseBrokers(t *testing.T, d *datadriven.TestData) []image.Broker {
	var brokers []image.Broker
	for _, arg := range d.CmdArgs {
		if arg.Key != "brokers" {
			continue
		}
		for _, v := range arg.Vals {
			var b image.Broker
			id, rack, _ := strings.Cut(v, "/")
			if _, err := fmt.Sscan(id, &b.ID); err != nil {
				t.Fatal(err)
			}
			b.Rack = rack
			brokers = append(brokers, b)
		}
	}
	return brokers
}

// Every plan gives each partition rf different brokers, as many racks as there
// can be, and every broker its fair share of leaders within a lap.
func TestEveryPlanIsSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var brokers []image.Broker
		racks := map[string]bool{}
		for i := range rapid.IntRange(1, 12).Draw(t, "brokers") {
			rack := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "rack")
			brokers = append(brokers, image.Broker{ID: protocol.BrokerID(i), Rack: rack})
			racks[rack] = true
		}
		rf := rapid.IntRange(1, len(brokers)).Draw(t, "rf")
		n := rapid.IntRange(1, 50).Draw(t, "n")
		plan, err := Place(brokers, n, rf, rapid.IntRange(0, 1000).Draw(t, "start"))
		if err != nil {
			t.Fatal(err)
		}
		leads := map[protocol.BrokerID]int{}
		for p, replicas := range plan {
			distinct, inRacks := map[protocol.BrokerID]bool{}, map[string]bool{}
			for _, id := range replicas {
				distinct[id], inRacks[brokers[id].Rack] = true, true
			}
			if len(replicas) != rf || len(distinct) != rf || len(inRacks) != min(rf, len(racks)) {
				t.Fatalf("partition %d: replicas %v in %d racks of %d", p, replicas, len(inRacks), len(racks))
			}
			leads[replicas[0]]++
		}
		for _, b := range brokers {
			if got, fair := leads[b.ID], n/len(brokers); got < fair || got > fair+1 {
				t.Fatalf("broker %d leads %d of %d partitions on %d brokers", b.ID, got, n, len(brokers))
			}
		}
	})
}
