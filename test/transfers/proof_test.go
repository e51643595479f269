package main

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/lockstep-log/lockstep/test/e2e"
	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

func TestMain(m *testing.M) {
	if member, err := serve(os.Args[1:]); member {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestAShortRunIsProvenAndASpoiledOneIsNot makes a small run, with brokers and
// all, plants a loss and a wrong balance in its files, wants both found, takes
// them back, and wants the whole judgement to be good.
func TestAShortRunIsProvenAndASpoiledOneIsNot(t *testing.T) {
	p := &proof{options: options{
		binary: e2e.Binary(t), dir: t.TempDir(), seed: 7, haste: 4,
		transfers: 10_000, accounts: 1000, partitions: 2, tellers: 2, writers: 64, databases: 1,
	}}
	defer p.close()
	if err := p.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	ends, err := p.work(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("killed: tellers %d, keepers %d, brokers %d", kills(p.crew.tellers), kills(p.crew.keepers), p.killer.brokers())

	restore := p.spoil(t, ends)
	j, err := p.replay(t.Context(), ends)
	if err != nil {
		t.Fatal(err)
	}
	if j.Found("lost acknowledged transfer") != 1 || j.Found("false balances") != 1 {
		t.Errorf("found %q", j.Violations())
	}
	restore()
	if err := p.judge(t.Context(), ends); err != nil {
		t.Error(err)
	}
}

// spoil plants an acknowledgement of nothing, and an account that is off by one.
func (p *proof) spoil(t *testing.T, ends []int64) (restore func()) {
	t.Helper()
	db, err := openBooks(p.crew.books[0])
	if err != nil {
		t.Fatal(err)
	}
	book := func(amount int) {
		if _, err := db.Exec(`UPDATE account SET balance = balance + ? WHERE id = 5`, amount); err != nil {
			t.Fatal(err)
		}
	}
	book(1)
	teller := p.crew.tellers[0]
	_, life, _ := teller.report()
	file, err := os.OpenFile(ackPath(teller.dir, life), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	before, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	a := ackFile{file: file}
	a.add(ledger.Ack{ID: ledger.NewID(writerNumber(0, life), 1<<20), Offset: ends[0]})
	if err := a.flush(); err != nil {
		t.Fatal(err)
	}
	return func() {
		book(-1)
		if err := errors.Join(file.Truncate(before.Size()), file.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOneBadVerdictMakesTheRunFail, and what was found stands in the error.
func TestOneBadVerdictMakesTheRunFail(t *testing.T) {
	good := verdict{check: "good"}
	if err := conclude([]verdict{good, good}, nil); err != nil {
		t.Errorf("a good run: %v", err)
	}
	if conclude([]verdict{good, {check: "bad", err: errors.New("3 times")}}, nil) == nil {
		t.Error("a bad verdict is taken for good")
	}
	if conclude([]verdict{good}, []string{"one is lost"}) == nil {
		t.Error("a violation that no verdict counts is lost")
	}
}
