package sqlview

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client/sqlview"
)

func record(value string) *kgo.Record { return &kgo.Record{Value: []byte(value)} }

// TestADatabaseThatRefusesIsWaitedFor: SQLite that another holds locked beyond
// the busy timeout, PostgreSQL that crashes and recovers.
func TestADatabaseThatRefusesIsWaitedFor(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		d := sqlite(t)
		d.DSN = strings.Replace(d.DSN, "busy_timeout(10000)", "busy_timeout(1)", 1)
		db := d.filled(t)
		refuse(t, d, db, func() (end func()) {
			other, err := db.BeginTx(t.Context(), nil) // immediate: it holds the file
			if err != nil {
				t.Fatal(err)
			}
			return func() { other.Rollback() }
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		c := postgres(t)
		d := c.database(t)
		refuse(t, d, d.filled(t), func() (end func()) {
			if out, err := c.crash(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return func() {
				if out, err := c.start(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
		})
	})
}

// refuse has a view meet a database that begins to refuse and ends it.
func refuse(t *testing.T, d database, db *sql.DB, begin func() (end func())) {
	c := open(t, start(t))
	refused := make(chan struct{}, 1)
	o := d.options()
	o.Logger = slog.New(told{refused})
	v, err := sqlview.New(t.Context(), c, db, topic, 0, bank{d.dialect()}.apply, o)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Update(t.Context(), move(transfer{0, 1, 10}, "before")); err != nil {
		t.Fatal(err)
	}
	expectJournal(t, v, 0)
	end := begin()
	put(t, c, `{"From":1,"To":2,"Amount":20}`)
	<-refused
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := v.Update(impatient, func(context.Context, *sqlview.Tx) error {
		<-impatient.Done()
		return impatient.Err()
	}); err == nil {
		t.Error("the context has ended, and Update has not")
	}
	end()
	if _, err := v.Update(t.Context(), move(transfer{2, 3, 30}, "after")); err != nil {
		t.Fatal(err)
	}
	expectJournal(t, v, 0, 1, 2)
}

// told is a logger that tells of warnings.
type told struct{ warned chan struct{} }

func (told) Enabled(context.Context, slog.Level) bool { return true }
func (l told) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		select {
		case l.warned <- struct{}{}:
		default:
		}
	}
	return nil
}
func (l told) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l told) WithGroup(string) slog.Handler      { return l }

// TestADatabaseThatIsSetBackIsBroughtForwardAgain under a running view, as by a
// restored backup.
func TestADatabaseThatIsSetBackIsBroughtForwardAgain(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		c, db := open(t, start(t)), d.filled(t)
		o := d.options()
		o.BatchRecords = 2
		v, err := sqlview.New(t.Context(), c, db, topic, 0, bank{d.dialect()}.apply, o)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		var want []int64
		for i := range 9 {
			want = append(want, put(t, c, fmt.Sprintf(`{"From":0,"To":%d,"Amount":1}`, i+1)))
		}
		v.Update(t.Context(), move(transfer{0, 1, 1}, "a"))
		expectJournal(t, v, append(want, 9)...)
		setBack(t, db)
		r, err := v.Update(t.Context(), move(transfer{0, 1, 1}, "b"))
		if err != nil {
			t.Fatal(err)
		}
		expectJournal(t, v, append(want, 9, r.Offset)...)
	})
}

// setBack makes the database as it was before the first record.
func setBack(t *testing.T, db *sql.DB) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{`UPDATE lockstep_basis SET basis = -1`, `DELETE FROM journal`, fmt.Sprintf(`UPDATE account SET balance = %d`, funds)} {
		if _, err := tx.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestTablesOfADeletedTopicAreNotTakenForThoseOfItsSuccessor.
func TestTablesOfADeletedTopicAreNotTakenForThoseOfItsSuccessor(t *testing.T) {
	addr := start(t)
	c, d := open(t, addr), sqlite(t)
	db := d.filled(t)
	v, err := sqlview.New(t.Context(), c, db, topic, 0, bank{d.dialect()}.apply, d.options())
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if _, err := kadm.NewClient(dial(t, addr)).DeleteTopics(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	createTopic(t, addr)
	if _, err := sqlview.New(t.Context(), c, db, topic, 0, bank{d.dialect()}.apply, d.options()); !errors.Is(err, sqlview.ErrOtherTopic) {
		t.Errorf("got %v", err)
	}
}
