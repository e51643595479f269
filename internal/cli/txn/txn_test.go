package txn

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

func TestStatesAreTakenInAnyCase(t *testing.T) {
	got, err := statesNamed([]string{"ongoing", "PREPAREABORT"})
	if err != nil || !slices.Equal(got, []string{"Ongoing", "PrepareAbort"}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := statesNamed([]string{"Dead"}); err == nil {
		t.Error("a state that nothing is ever in is taken")
	}
}

func TestPartitionsAreShownByTopic(t *testing.T) {
	var s kadm.TopicsSet
	if got := partitionsText(s); got != "-" {
		t.Errorf("none: %q", got)
	}
	s.Add("b", 2)
	s.Add("a", 1, 0)
	if got := partitionsText(s); got != "a:0,1 b:2" {
		t.Errorf("%q", got)
	}
}
