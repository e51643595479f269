package sqlview

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/client/sqlview"
)

// TestTablesRefuseALogThatWasCutBeforeTheirBasis, unless they are new and it is
// allowed: then what is left, though it be nothing, is all that they hold.
func TestTablesRefuseALogThatWasCutBeforeTheirBasis(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		addr := start(t)
		c := open(t, addr)
		put(t, c, `{"From":0,"To":1,"Amount":10}`)
		db := d.filled(t)
		old := d.view(t, c, db, d.options())
		expectJournal(t, old, 0)
		old.Close()
		put(t, c, `{"From":1,"To":2,"Amount":20}`, `{"From":2,"To":3,"Amount":30}`)
		var cut kadm.Offsets
		cut.AddOffset(topic, 0, 3, -1)
		if _, err := kadm.NewClient(dial(t, addr)).DeleteRecords(t.Context(), cut); err != nil {
			t.Fatal(err)
		}

		fresh := d.options()
		fresh.Prefix = "fresh_"
		for name, o := range map[string]sqlview.Options{"a basis that is none": fresh, "a basis before the cut": d.options()} {
			v := d.view(t, c, db, o)
			if err := v.Read(soon(t), nothing); !errors.Is(err, client.ErrLogCut) {
				t.Errorf("%s: Read returned %v, want ErrLogCut", name, err)
			}
			if _, err := v.Update(soon(t), move(transfer{0, 1, 1}, "cut")); !errors.Is(err, client.ErrLogCut) {
				t.Errorf("%s: Update returned %v, want ErrLogCut", name, err)
			}
		}

		fresh.AllowCut = true
		v := d.view(t, c, db, fresh)
		if r, err := v.Update(soon(t), move(transfer{0, 1, 1}, "allowed")); err != nil || r.Offset != 3 {
			t.Errorf("a cut is allowed: Update gave offset %d, %v; want 3", r.Offset, err)
		}
		expectJournal(t, v, 0, 3)
	})
}

func (d database) view(t *testing.T, c *client.Client, db *sql.DB, o sqlview.Options) *sqlview.View {
	t.Helper()
	v, err := sqlview.New(t.Context(), c, db, topic, 0, bank{d.dialect()}.apply, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func nothing(context.Context, *sql.Tx, int64) error { return nil }

// soon bounds a call that may not wait for ever.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
