package producer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// filled is a topic t with the counter a raised n times, of which the records
// below an offset are then deleted.
func filled(t *testing.T, n int, deleteBelow int64) (addr string, c *client.Client) {
	t.Helper()
	addr = inprocess.Broker(t)
	create(t, addr, "t", 1)
	c = open(t, addr)
	v := view(t, c, "t")
	for range n {
		if _, err := v.Update(t.Context(), increment("a")); err != nil {
			t.Fatal(err)
		}
	}
	deleteRecords(t, addr, deleteBelow)
	return addr, c
}

// deleteRecords cuts the log of t-0: it begins at an offset from then on.
func deleteRecords(t *testing.T, addr string, below int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset("t", 0, below, -1)
	got, err := kadm.NewClient(dial(t, addr)).DeleteRecords(t.Context(), offsets)
	if err == nil {
		err = got.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// soon bounds a call that may not wait for ever.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func raise(ctx context.Context, v *client.View[counters]) error {
	_, err := v.Update(ctx, increment("a"))
	return err
}

// TestAViewWithoutAStateRefusesALogThatWasCut: a state that is folded from the
// middle of a ledger is wrong, and every decision on it would be admitted.
func TestAViewWithoutAStateRefusesALogThatWasCut(t *testing.T) {
	for name, below := range map[string]int64{"in the middle": 2, "of all its records": 4} {
		t.Run(name, func(t *testing.T) {
			_, c := filled(t, 4, below)
			for name, o := range map[string][]client.ViewOption{"from the start": nil, "from none": {client.From(client.None)}} {
				v := view(t, c, "t", o...)
				if err := v.Read(soon(t), func(counters, int64) error { return nil }); !errors.Is(err, client.ErrLogCut) {
					t.Errorf("%s: Read returned %v, want ErrLogCut", name, err)
				}
				if err := raise(soon(t), v); !errors.Is(err, client.ErrLogCut) {
					t.Errorf("%s: Update returned %v, want ErrLogCut", name, err)
				}
			}
		})
	}
}

// TestAFoldWithoutAStateRefusesALogThatWasCut, and is given nothing of it.
func TestAFoldWithoutAStateRefusesALogThatWasCut(t *testing.T) {
	_, c := filled(t, 4, 2)
	f, err := client.NewFold(c, "t", 0, client.None, func(_ context.Context, records []*kgo.Record, to int64) (int64, error) {
		t.Errorf("%d records are applied, up to %d", len(records), to)
		return to, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Await(soon(t)); !errors.Is(err, client.ErrLogCut) {
		t.Errorf("Await returned %v, want ErrLogCut", err)
	}
}

// TestAStateGoesOnWhereTheLogWasCut if it holds what was cut, and if not it
// refuses, whatever it was allowed: it would have a gap.
func TestAStateGoesOnWhereTheLogWasCut(t *testing.T) {
	_, c := filled(t, 4, 2)
	whole := view(t, c, "t", client.From(1))
	if err := raise(soon(t), whole); err != nil {
		t.Errorf("a view that begins where the log does: %v", err)
	}
	for name, o := range map[string][]client.ViewOption{
		"a snapshot":                       {client.From(0)},
		"a snapshot, and cuts are allowed": {client.From(0), client.AllowCut()},
	} {
		if err := raise(soon(t), view(t, c, "t", o...)); !errors.Is(err, client.ErrLogCut) {
			t.Errorf("%s from before the cut: Update returned %v, want ErrLogCut", name, err)
		}
	}
}

// TestACutThatIsAllowedCountsAsRead: the view goes on from what is left, though
// it be nothing.
func TestACutThatIsAllowedCountsAsRead(t *testing.T) {
	for name, below := range map[string]int64{"some are left": 2, "none is left": 4} {
		t.Run(name, func(t *testing.T) {
			addr, c := filled(t, 4, below)
			v := view(t, c, "t", client.AllowCut())
			at := int64(-2)
			if err := v.Read(soon(t), func(_ counters, basis int64) error { at = basis; return nil }); err != nil || at != 3 {
				t.Errorf("Read: basis %d, %v; want 3", at, err)
			}
			fresh := view(t, open(t, addr), "t", client.AllowCut())
			if err := raise(soon(t), fresh); err != nil {
				t.Errorf("Update: %v", err)
			}
		})
	}
}

// TestAViewOutlivesTheRemovalOfAllThatItHasRead.
func TestAViewOutlivesTheRemovalOfAllThatItHasRead(t *testing.T) {
	addr, c := filled(t, 4, 0)
	v := view(t, c, "t")
	if n := sum(t, v, "a"); n != 4 {
		t.Errorf("the view says %d, want 4", n)
	}
	deleteRecords(t, addr, 4)
	if err := raise(soon(t), v); err != nil {
		t.Errorf("Update: %v", err)
	}
	if n := sum(t, v, "a"); n != 5 {
		t.Errorf("the view says %d, want 5", n)
	}
}
