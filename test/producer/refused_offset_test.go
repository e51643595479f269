package producer

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// TestTheOffsetsOfWhatIsRefusedStayEmpty: nothing of a refused append is in the log, but the
// place that its records had in their batch is passed over: the end moves by an offset for each.
func TestTheOffsetsOfWhatIsRefusedStayEmpty(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	c := open(t, addr)
	admin := kadm.NewClient(dial(t, addr))
	end := func() int64 {
		ends, err := admin.ListEndOffsets(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		return ends["t"][0].Offset
	}
	lock := client.Cond{Locks: []client.Lock{client.Write("x")}, Basis: client.None}
	if _, err := c.Append(t.Context(), "t", 0, lock, value("first")); err != nil {
		t.Fatal(err)
	}
	for i := range int64(3) {
		if _, err := c.Append(t.Context(), "t", 0, lock, value("refused"), value("refused")); !errors.Is(err, client.ErrConflict) {
			t.Fatalf("append %d: %v", i, err)
		}
		if got, want := end(), 1+2*(i+1); got != want {
			t.Errorf("after %d refused appends of two records the log ends at %d, want %d", i+1, got, want)
		}
	}
	if r, err := c.Append(t.Context(), "t", 0, client.Cond{}, value("last")); err != nil || r.Offset != 7 {
		t.Fatalf("the next append is at %d: %v", r.Offset, err)
	}
	if got := fmt.Sprint(read(t, addr, "t", 8)); got != "map[0:first 7:last]" {
		t.Errorf("the log holds %s", got)
	}
}
