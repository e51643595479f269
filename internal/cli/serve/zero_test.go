package serve

import "testing"

// zeroMeans says what 0 does in each setting of a broker that is a number and takes it.
var zeroMeans = map[string]string{
	"node-id":               "node 0",
	"replication-throttle":  "no bound, as the help says",
	"group-rebalance-delay": "no wait",
	"max-reauth":            "never, as in Kafka",
}

// Goal: no setting takes 0 for "not given" where 0 means something. Method: 0 is
// given to each that is a number; those that take it are argued for above.
func TestEveryNumericSettingSaysWhatZeroMeans(t *testing.T) {
	taken := map[string]bool{}
	for _, s := range settings {
		switch s.arg {
		case "N", "BYTES", "MS":
		default:
			continue
		}
		if err := s.set(new(serveConfig), "0"); err != nil {
			continue
		}
		taken[s.name] = true
		if zeroMeans[s.name] == "" {
			t.Errorf("%s takes 0, and it is not said what that means", s.name)
		}
	}
	for name := range zeroMeans {
		if !taken[name] {
			t.Errorf("%s does not take 0", name)
		}
	}
}

// Zero that was given reaches the broker as zero, and what was not given as the default.
func TestAZeroThatWasGivenReachesTheBroker(t *testing.T) {
	given, unset := mustLoad(t, []string{"node-id=0", "group-rebalance-delay=0"}, nil, ""), mustLoad(t, nil, nil, "")
	if given.NodeID != 0 || given.GroupDelayMs != 0 {
		t.Errorf("given 0, node %d and a delay of %d ms", given.NodeID, given.GroupDelayMs)
	}
	if unset.NodeID != 1 || unset.GroupDelayMs != 500 {
		t.Errorf("given nothing, node %d and a delay of %d ms", unset.NodeID, unset.GroupDelayMs)
	}
}
