package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

// TestAcksAreReadBackButForOneThatAKillCut: what was flushed is known, in
// order, and half an entry is none.
func TestAcksAreReadBackButForOneThatAKillCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "acks")
	a, err := openAckFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []ledger.Ack{{ID: ledger.NewID(1, 1), Partition: 2, Offset: 0}, {ID: ledger.NewID(1<<31, 7), Partition: 0, Offset: 1 << 40}}
	a.add(want[0])
	if err := a.flush(); err != nil {
		t.Fatal(err)
	}
	a.add(want[1])
	a.add(want[0])
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 3*ackSize-1); err != nil {
		t.Fatal(err)
	}
	var got []ledger.Ack
	if err := readAcks(path, func(a ledger.Ack) { got = append(got, a) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	if err := readAcks(path+"-of-nobody", nil); err != nil {
		t.Errorf("a teller that was killed before it began: %v", err)
	}
}

// TestAViewGoesOnFromWhereItWasSaved, and begins anew where nothing was.
func TestAViewGoesOnFromWhereItWasSaved(t *testing.T) {
	dir, b := t.TempDir(), ledger.Bank{Accounts: 5, Partitions: 2}
	fresh, basis, err := load(dir, b, 1)
	if err != nil || basis != client.None || fresh.Total() != 2*ledger.Opening {
		t.Fatalf("nothing was saved, and loaded were %+v at %d, %v", fresh, basis, err)
	}
	if err := fresh.Apply(ledger.Transfer{ID: ledger.NewID(1, 1), From: 1, To: 3, Amount: 7}); err != nil {
		t.Fatal(err)
	}
	if err := copyOf(fresh, 12).write(dir); err != nil {
		t.Fatal(err)
	}
	again, basis, err := load(dir, b, 1)
	if err != nil || basis != 12 || again.Transfers != 1 || !slices.Equal(again.Balances, fresh.Balances) {
		t.Errorf("loaded %+v at %d, %v; saved %+v at 12", again, basis, err, fresh)
	}
	if _, _, err := load(dir, ledger.Bank{Accounts: 50, Partitions: 2}, 1); err == nil {
		t.Error("the view of another bank is taken for ours")
	}
}

// TestADirectoryThatHoldsSomethingIsRefused: the run would remove it.
func TestADirectoryThatHoldsSomethingIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if got, err := directory(dir); err != nil || got != dir {
		t.Fatalf("a new one: %q, %v", got, err)
	}
	if _, err := directory(dir); err != nil {
		t.Errorf("an empty one: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "thesis"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := directory(dir); err == nil {
		t.Error("a full one is taken")
	}
}

// TestADatabaseThatWasTamperedWithIsFound plants what a keeper must never do,
// in a real database, and has the judge hear what the database says.
func TestADatabaseThatWasTamperedWithIsFound(t *testing.T) {
	b := ledger.Bank{Accounts: 10, Partitions: 2}
	for name, c := range map[string]struct{ tamper, kind string }{
		"untouched":       {"", ""},
		"off by one":      {"UPDATE account SET balance = balance + 1 WHERE id = 7", "false balances"},
		"a row is gone":   {"DELETE FROM account WHERE id = 9", "false balances"},
		"the basis lags":  {"UPDATE lockstep_basis SET basis = 0 WHERE part = 1", "late database"},
		"the basis leads": {"UPDATE lockstep_basis SET basis = 2 WHERE part = 1", "false balances"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "books")
			if err := makeBooks(t.Context(), path, b); err != nil {
				t.Fatal(err)
			}
			db, err := openBooks(path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			transfers := []ledger.Transfer{{ID: ledger.NewID(1, 1), From: 1, To: 7, Amount: 5}, {ID: ledger.NewID(1, 2), From: 3, To: 1, Amount: 6}}
			for _, statement := range []string{
				`CREATE TABLE lockstep_basis (topic, part, basis)`,
				`INSERT INTO lockstep_basis VALUES ('bank', 0, -1), ('bank', 1, 1)`,
				`UPDATE account SET balance = balance + 1 WHERE id = 1`,
				`UPDATE account SET balance = balance + 5 WHERE id = 7`,
				`UPDATE account SET balance = balance - 6 WHERE id = 3`,
				c.tamper,
			} {
				if _, err := db.Exec(statement); err != nil {
					t.Fatal(err)
				}
			}
			j := ledger.NewJudge(b)
			said, err := claims(t.Context(), "a database", path, b)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range said {
				j.Claim(s)
			}
			for i, tr := range transfers {
				basis := []byte("none")
				if i > 0 {
					basis = []byte("0")
				}
				j.Record(1, ledger.Record{Offset: int64(i), Value: tr.Encode(), Write: ledger.Locks(tr), Basis: basis})
			}
			j.End(0, 0)
			j.End(1, 2)
			if c.kind == "" && len(j.Violations()) > 0 || c.kind != "" && j.Found(c.kind) == 0 {
				t.Errorf("want %q, found %q", c.kind, j.Violations())
			}
		})
	}
}
