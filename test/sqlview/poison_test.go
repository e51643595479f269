package sqlview

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/client/sqlview"
)

// stories of records, good ones and such that cannot be applied: for the parser,
// for the code, for the statement.
var poisoned = []string{
	`{"From":0,"To":1,"Amount":10}`,
	`no transfer`,
	`{"From":1,"To":2,"Amount":20}`,
	`panic`,
	`{"From":3,"To":4,"Amount":101}`, // the table refuses what is below 0
	`{"From":2,"To":3,"Amount":30}`,
}

// TestPoisonIsKeptAsideAndItsNeighboursAreApplied whatever the batch.
func TestPoisonIsKeptAsideAndItsNeighboursAreApplied(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		c, db := open(t, start(t)), d.filled(t)
		put(t, c, poisoned...)
		o := d.options()
		o.Poison = sqlview.Quarantine(d.dialect(), "")
		v, err := sqlview.New(t.Context(), c, db, topic, 0, bank{d.dialect()}.apply, o)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		if err := v.Read(t.Context(), func(ctx context.Context, tx *sql.Tx, basis int64) error {
			l, err := readLedger(ctx, tx)
			if want := []int64{0, 2, 5}; err != nil || basis != 5 || !slices.Equal(l.journal, want) {
				t.Errorf("at %d the journal is %v, want %v (%v)", basis, l.journal, want, err)
			}
			kept := keptAside(t, tx)
			if len(kept) != 3 || !strings.HasPrefix(kept[1], "no transfer: invalid") || kept[3] != "panic: panic: a record that must not be" || !strings.Contains(kept[4], "balance") {
				t.Errorf("kept aside: %v", kept)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// keptAside is what stands in quarantine: value and reason by offset.
func keptAside(t *testing.T, db querier) map[int64]string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT log_offset, record_value, reason FROM lockstep_poison`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	kept := map[int64]string{}
	for rows.Next() {
		var offset int64
		var value []byte
		var reason string
		if err := rows.Scan(&offset, &value, &reason); err != nil {
			t.Fatal(err)
		}
		kept[offset] = fmt.Sprintf("%s: %s", value, reason)
	}
	return kept
}

// TestWithoutAPolicyAViewStopsBeforeThePoison, and one that can apply the record
// goes on from there.
func TestWithoutAPolicyAViewStopsBeforeThePoison(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		c, db := open(t, start(t)), d.filled(t)
		put(t, c, poisoned[:3]...)
		v, err := sqlview.New(t.Context(), c, db, topic, 0, bank{d.dialect()}.apply, d.options())
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		var poison *sqlview.PoisonError
		_, err = v.Update(t.Context(), move(transfer{0, 1, 1}, "never"))
		if !errors.As(err, &poison) || poison.Offset != 1 {
			t.Fatalf("got %v", err)
		}
		if l, err := readLedger(t.Context(), db); err != nil || !slices.Equal(l.journal, []int64{0}) {
			t.Errorf("applied were %v (%v)", l.journal, err)
		}
		o := d.options()
		o.Poison = func(context.Context, *sql.Tx, *kgo.Record, error) error { return nil }
		cured, err := sqlview.New(t.Context(), c, db, topic, 0, bank{d.dialect()}.apply, o)
		if err != nil {
			t.Fatal(err)
		}
		defer cured.Close()
		if _, err := cured.Update(t.Context(), move(transfer{0, 1, 1}, "now")); err != nil {
			t.Fatal(err)
		}
		expectJournal(t, cured, 0, 2, 3)
	})
}

// expectJournal reads the view, and what it is to have applied.
func expectJournal(t *testing.T, v *sqlview.View, want ...int64) {
	t.Helper()
	err := v.Read(t.Context(), func(ctx context.Context, tx *sql.Tx, _ int64) error {
		l, err := readLedger(ctx, tx)
		if !slices.Equal(l.journal, want) || l.total() != accounts*funds {
			t.Errorf("applied were %v, want %v; the total is %d", l.journal, want, l.total())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestUpdateSeesWhatItHasWrittenAndDecidesAgain beside a writer elsewhere.
func TestUpdateSeesWhatItHasWrittenAndDecidesAgain(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		addr := start(t)
		c, db := open(t, addr), d.filled(t)
		v, err := sqlview.New(t.Context(), c, db, topic, 0, bank{d.dialect()}.apply, d.options())
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		runs := 0
		r, err := v.Update(t.Context(), func(ctx context.Context, tx *sqlview.Tx) error {
			if runs++; runs == 1 { // somebody else is faster
				_, err := c.Append(ctx, topic, 0, client.Cond{Basis: client.None, Locks: []client.Lock{client.Write("1")}}, record(`{"From":1,"To":2,"Amount":5}`))
				if err != nil {
					return err
				}
			}
			return move(transfer{0, 1, 10}, "mine")(ctx, tx)
		})
		if err != nil || runs != 2 {
			t.Errorf("%d runs, %v", runs, err)
		}
		expectJournal(t, v, 0, r.Offset)
		no := errors.New("no")
		if _, err := v.Update(t.Context(), func(context.Context, *sqlview.Tx) error { return no }); err != no {
			t.Errorf("got %v", err)
		}
		v.Close()
		if _, err := v.Update(t.Context(), move(transfer{0, 1, 1}, "late")); !errors.Is(err, client.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}
