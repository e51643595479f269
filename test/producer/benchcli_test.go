package producer

import (
	"encoding/json"
	"testing"

	"github.com/lockstep-log/lockstep/test/e2e"
)

// TestBenchAppendMeasuresItsThreeWays and ends after the count that it is given.
func TestBenchAppendMeasuresItsThreeWays(t *testing.T) {
	b := e2e.Start(t)
	for _, c := range []struct {
		args      []string
		contended bool
	}{
		{[]string{"--locks", "3"}, false},
		{[]string{"--writers", "4"}, false},
		{[]string{"--writers", "4", "--contend"}, true},
	} {
		out, stderr, code := b.CLI("", append([]string{"bench", "append", "-b", b.Addr, "-n", "100", "--format", "json"}, c.args...)...)
		var r struct {
			Records  int
			Refusals *int
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || r.Records != 100 || (r.Refusals != nil) != c.contended {
			t.Errorf("%v: exit %d, %s%s (%v)", c.args, code, out, stderr, err)
		}
	}
}
