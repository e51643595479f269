package producer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// ledger is a topic whose partitions each hold some accounts, and a view of each.
type ledger struct {
	addr  string
	c     *client.Client
	views []*client.View[counters]
}

func newLedger(t *testing.T, addr string, partitions int) *ledger {
	t.Helper()
	l := &ledger{addr: addr, c: open(t, addr)}
	for p := range partitions {
		v, err := client.NewView(l.c, "ledger", int32(p), counters{}, add)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		l.views = append(l.views, v)
	}
	return l
}

func transactor(t *testing.T, c *client.Client, id string, o ...client.TransactorOption) *client.Transactor {
	t.Helper()
	tr, err := client.NewTransactor(c, id, o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

var errPoor = errors.New("the account has not as much")

// set gives an account a balance, by a lock of its name.
func set(tx *client.Tx, account string, balance int) {
	tx.Lock(client.Write(account))
	tx.Append(&kgo.Record{Key: []byte(account), Value: strconv.AppendInt(nil, int64(balance), 10)})
}

// transfer moves an amount between accounts of two partitions.
func transfer(ctx context.Context, tr *client.Transactor, from, to *client.View[counters], a, b string, amount int) error {
	_, err := tr.Update(ctx, func(j *client.JointTx) error {
		source, have := from.In(j)
		target, had := to.In(j)
		if have[a] < amount {
			return errPoor
		}
		set(source, a, have[a]-amount)
		set(target, b, had[b]+amount)
		return nil
	}, from, to)
	return err
}

// fill gives each partition one account.
func (l *ledger) fill(t *testing.T, amount int) {
	t.Helper()
	for i, v := range l.views {
		_, err := v.Update(t.Context(), func(tx *client.Tx, _ counters) error {
			set(tx, account(i), amount)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func account(partition int) string { return "acct:" + strconv.Itoa(partition) }

// balances are those of all accounts, by stock consumers of committed data.
func balances(t *testing.T, addr string, partitions int) (all []int) {
	t.Helper()
	c := open(t, addr)
	for p := range partitions {
		v, err := client.NewView(c, "ledger", int32(p), counters{}, add)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sum(t, v, account(p)))
		v.Close()
	}
	return all
}

func total(all []int) (n int) {
	for _, b := range all {
		n += b
	}
	return n
}

func TestMoneyMovesBetweenPartitionsOrNotAtAll(t *testing.T) {
	const partitions, writers, each, funds = 4, 6, 20, 100
	addr := inprocess.Broker(t)
	create(t, addr, "ledger", partitions, "conflict.policy", "required")
	newLedger(t, addr, partitions).fill(t, funds)
	var all sync.WaitGroup
	for w := range writers {
		l := newLedger(t, addr, partitions)
		tr := transactor(t, l.c, fmt.Sprintf("teller-%d", w), client.Transactions(2))
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for range each {
				a := rng.IntN(partitions)
				b := (a + 1 + rng.IntN(partitions-1)) % partitions
				err := transfer(t.Context(), tr, l.views[a], l.views[b], account(a), account(b), 1+rng.IntN(30))
				if err != nil && !errors.Is(err, errPoor) {
					t.Errorf("teller %d: %v", w, err)
					return
				}
			}
		})
	}
	all.Wait()
	got := balances(t, addr, partitions)
	if total(got) != partitions*funds {
		t.Errorf("the accounts hold %v, together %d; they began with %d", got, total(got), partitions*funds)
	}
	for i, b := range got {
		if b < 0 {
			t.Errorf("account %d holds %d", i, b)
		}
	}
}

// TestWhatWasOnlyReadIsGuarded has two deciders each write what the other reads: one
// of them must have seen the other's write. (Write skew.)
func TestWhatWasOnlyReadIsGuarded(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "ledger", 2, "conflict.policy", "required")
	newLedger(t, addr, 2).fill(t, 1)
	for round := range 5 {
		l := newLedger(t, addr, 2)
		both := sync.WaitGroup{}
		for me := range 2 {
			tr := transactor(t, l.c, fmt.Sprintf("round-%d-%d", round, me), client.Transactions(1))
			both.Go(func() {
				_, err := tr.Update(t.Context(), func(j *client.JointTx) error {
					mine, have := l.views[me].In(j)
					other, see := l.views[1-me].In(j)
					other.Lock(client.Read(account(1 - me)))
					if have[account(me)]+see[account(1-me)] < 2 {
						return errPoor // somebody must stay on call
					}
					set(mine, account(me), 0)
					return nil
				}, l.views[0], l.views[1])
				if err != nil && !errors.Is(err, errPoor) {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if got := balances(t, addr, 2); total(got) != 1 {
			t.Fatalf("round %d: %v are on call, and one must be", round, got)
		}
		newLedger(t, addr, 2).fill(t, 1)
	}
}

// TestASuccessorEndsWhatItsPredecessorHeld leaves a transaction open, as a process that
// dies does, and has one with the same id come back.
func TestASuccessorEndsWhatItsPredecessorHeld(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "ledger", 2)
	l := newLedger(t, addr, 2)
	l.fill(t, 10)
	dead := dial(t, addr, kgo.TransactionalID("teller-0"), kgo.TransactionTimeout(time.Minute),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := dead.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	r := client.Attach(&kgo.Record{Topic: "ledger", Key: []byte(account(0)), Value: []byte("0")}, 0, client.Write(account(0)))
	if err := dead.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	tr := transactor(t, l.c, "teller", client.Transactions(1))
	if err := transfer(t.Context(), tr, l.views[0], l.views[1], account(0), account(1), 3); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v: the transaction of the predecessor ran into its timeout", took)
	}
	if got := balances(t, addr, 2); got[0] != 7 || got[1] != 13 {
		t.Errorf("the accounts hold %v", got)
	}
}

// TestOnePartitionPaysForNoTransaction decides over two views and writes to one.
func TestOnePartitionPaysForNoTransaction(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "ledger", 2)
	l := newLedger(t, addr, 2)
	l.fill(t, 10)
	tr := transactor(t, l.c, "teller", client.Transactions(1))
	results, err := tr.Update(t.Context(), func(j *client.JointTx) error {
		tx, s := l.views[1].In(j)
		set(tx, account(1), s[account(1)]+1)
		return nil
	}, l.views[0], l.views[1])
	if err != nil || results[0].Offset != client.None || results[1].Offset != 1 {
		t.Errorf("got %+v, %v; want offset 1 of the second partition: a marker would lie before the next record", results, err)
	}
}
