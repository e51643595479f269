package broker

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/broker/admin"
	"github.com/lockstep-log/lockstep/coordinator/txn"
)

// health and unserved are what the administrators' port tells.
func (s *Server) health() *admin.Health              { return admin.HealthOf(adminSource{s}) }
func (s *Server) unserved() []admin.PartitionProblem { return admin.Unserved(adminSource{s}) }

// Goal: dashboards and alerts that users have made go on working: no metric changes
// its name, type or labels. Method: brokers live through all that is counted, and
// what they show is compared with testdata/metrics.
func TestMetricsKeepTheirNamesTypesAndLabels(t *testing.T) {
	ps := startPeers(t, 2, withoutDelay, func(c *Config) { c.Groups.OffsetsPartitions = 1 })
	ps.create("a", 1, 1, 2)
	cl := ps.client()
	writeLocked(t, cl, "a", 0, "lock-write=x", "lock-basis=none")
	stale := conditional(t, 0, []string{"lock-write=x", "lock-basis=none"})
	dial(t, ps.all[1].Addr("")).produced("a stale request", "a", stale, kerr.PolicyViolation)
	ps.await("the group's coordinator to commit", func() bool {
		at := ps.coordinatorOf(1, "g")
		if at == 0 {
			return false
		}
		c := consumer{w: dial(t, ps.all[at].Addr("")), group: "g"}
		return c.commit(9, "a", 0, 1) == 0
	})
	ps.await("a transactional id", func() bool {
		at := ps.txnCoordinatorOf(1, "x")
		if at == 0 {
			return false
		}
		wr := &writer{w: dial(t, ps.all[at].Addr("")), id: "x"}
		return wr.init(5, txn.Producer{ID: -1, Epoch: -1}, 60_000).ErrorCode == 0
	})
	seen := map[string]bool{}
	for _, p := range ps.all {
		for _, line := range metricNames(t, p.Server) {
			seen[line] = true
		}
	}
	alone, _ := startServer(t) // on etcd, whose size is known
	ps.await("the store's size to be known", func() bool {
		for _, line := range metricNames(t, alone) {
			seen[line] = true
		}
		return seen["lockstep_metadata_store_bytes GAUGE of"]
	})
	got := strings.Join(slices.Sorted(maps.Keys(seen)), "\n") + "\n"
	want, err := os.ReadFile("testdata/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s", got)
	}
}

// metricNames are the metrics of ours that a broker shows: name, type and labels.
func metricNames(t *testing.T, s *Server) (lines []string) {
	families, err := s.metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		line := fmt.Sprintf("%s %v %s", f.GetName(), f.GetType(), strings.Join(labels, " "))
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}
