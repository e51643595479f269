package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestASurvivorWithoutAQuorumLivesAndShowsWhatIsStale: a health check must not
// kill the last broker, and the dead are not shown as live.
func TestASurvivorWithoutAQuorumLivesAndShowsWhatIsStale(t *testing.T) {
	c := StartCluster(t, 3)
	b := c.Brokers[0]
	if _, stderr, code := b.CLI("", "topic", "create", "t", "-r", "3"); code != 0 {
		t.Fatal(stderr)
	}
	if out, stderr, code := b.CLI("", "cluster", "brokers"); code != 0 || strings.Count(out, " live ") != 3 {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	c.Broker(2).Kill()
	c.Broker(3).Kill()
	var out, stderr string
	var code int
	for range 200 {
		if out, stderr, code = b.CLI("", "cluster", "brokers"); strings.Contains(out, "stale") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if code != 1 || strings.Count(out, " no answer ") != 2 || !strings.Contains(out, "1   stale ") ||
		!strings.Contains(stderr, "broker 2 is in the metadata and does not answer") || !strings.Contains(stderr, "broker 1 has no contact with the metadata store") {
		t.Errorf("cluster brokers: exit %d\n%s%s", code, out, stderr)
	}
	if out, _, _ = b.CLI("", "cluster", "brokers", "--format", "json"); strings.Count(out, `"live":true`) != 1 || strings.Count(out, `"stale_since":"`) != 1 {
		t.Errorf("cluster brokers: %s", out)
	}
	if out, stderr, code = b.CLI("", "cluster", "info"); code != 1 || !strings.Contains(out, "BROKERS           1\n") || !strings.Contains(out, "LEADERLESS        ") {
		t.Errorf("cluster info: exit %d\n%s%s", code, out, stderr)
	}
	if out, stderr, code = b.CLI("", "cluster", "health"); code != 1 || !strings.Contains(out, "BROKERS     1,2,3 as of ") {
		t.Errorf("cluster health: exit %d\n%s%s", code, out, stderr)
	}
	if out, stderr, code = b.CLI("", "topic", "describe", "t"); !strings.Contains(stderr, "has no contact with the metadata store: leaders and replicas may be as of ") {
		t.Errorf("topic describe: exit %d\n%s%s", code, out, stderr)
	}
	for _, args := range [][]string{{"health", "--live"}, {"health"}} {
		if out, stderr, code = b.CLI("", args...); code != 0 {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, stderr)
		}
	}
}
