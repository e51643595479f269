package broker

import (
	"fmt"
	"testing"

	"github.com/lockstep-log/lockstep/broker/admin"
)

// TestAClientIsToldItsOwnLatestRefusals: the oldest are dropped, and those of others are not told.
func TestAClientIsToldItsOwnLatestRefusals(t *testing.T) {
	r := newRefusals()
	if got := r.of("a"); len(got) != 0 {
		t.Fatalf("of nothing: %v", got)
	}
	for i := range clientRefusalsKept + 10 {
		r.keep(admin.ClientRefusal{Client: fmt.Sprintf("c%d", i%2), TimeMs: int64(i)})
	}
	got := r.of("c1")
	if len(got) != clientRefusalsKept/2 || got[0].TimeMs != 11 || got[len(got)-1].TimeMs != clientRefusalsKept+9 {
		t.Errorf("%d refusals, from %d to %d", len(got), got[0].TimeMs, got[len(got)-1].TimeMs)
	}
}
