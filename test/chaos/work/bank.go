package work

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/chaos/check"
)

// view is a partition of the bank as one client has read it.
type view = client.View[check.Balances]

// addBank makes a client, its views, and the bankers that share them.
func (w *Workload) addBank(number int) error {
	c, err := w.appender()
	if err != nil {
		return err
	}
	var views []*view
	for p := range w.options.Partitions {
		v, err := client.NewView(c, Bank, p, check.Balances{}, func(b *check.Balances, r *kgo.Record) { b.Apply(string(r.Value)) })
		if err != nil {
			return err
		}
		w.closers = append(w.closers, v.Close)
		views = append(views, v)
	}
	for i := range bankers {
		name := fmt.Sprintf("banker-%d%c", number, 'a'+i)
		w.writers = append(w.writers, &banker{
			caller: caller{name: name, c: c, history: w.history}, views: views, updates: i == 0,
			rng: rand.New(rand.NewPCG(w.options.Seed, uint64(number*100+i))),
		})
	}
	return nil
}

// banker makes transfers. Those that update use View.Update, which hides the
// refusals; the others do by hand what it does, so that each refusal is seen.
type banker struct {
	caller
	views   []*view
	rng     *rand.Rand
	updates bool
}

func (b *banker) run(ctx, abort context.Context) {
	for ctx.Err() == nil {
		p := int32(b.rng.IntN(len(b.views)))
		if b.updates {
			b.update(abort, p)
		} else {
			b.transfer(ctx, abort, p)
		}
		pause(ctx, time.Duration(b.rng.Int64N(int64(2*bankerPause))))
	}
}

// decide chooses a transfer that the balances allow; amount 0 means that the
// account has nothing.
func (b *banker) decide(balances check.Balances, id string) check.Transfer {
	from := b.rng.IntN(accounts)
	to := (from + 1 + b.rng.IntN(accounts-1)) % accounts
	t := check.Transfer{ID: id, From: strconv.Itoa(from), To: strconv.Itoa(to), Side: "both"}
	if has := balances.Of(t.From); has > 0 {
		t.Amount = 1 + b.rng.IntN(min(has, 400))
	}
	return t
}

func (b *banker) locks(t check.Transfer) []client.Lock {
	locks := []client.Lock{client.Write("acct:" + t.From), client.Write("acct:" + t.To)}
	switch b.rng.IntN(20) {
	case 0: // the books are closed: nothing else may have happened
		return append(locks, client.Partition())
	case 1: // a limit that others may have changed
		return append(locks, client.Read("acct:"+strconv.Itoa((b.rng.IntN(accounts)))))
	}
	return locks
}

// records of a transfer: one, or a debit and a credit that must stay together.
func (b *banker) records(t check.Transfer) []*kgo.Record {
	if b.rng.IntN(4) > 0 {
		return []*kgo.Record{{Value: []byte(t.String())}}
	}
	debit, credit := t, t
	debit.Side, credit.Side = "debit", "credit"
	return []*kgo.Record{{Value: []byte(debit.String())}, {Value: []byte(credit.String())}}
}

// transfer reads, decides, dawdles at times, and appends.
func (b *banker) transfer(ctx, abort context.Context, p int32) {
	id := b.next()
	var t check.Transfer
	basis := client.None
	if !b.look(abort, p, func(balances check.Balances, at int64) { t, basis = b.decide(balances, id), at }) || t.Amount == 0 {
		return
	}
	if b.rng.IntN(5) == 0 {
		pause(ctx, time.Duration(b.rng.Int64N(int64(120*time.Millisecond))))
	}
	cond := client.Cond{ID: id, Basis: basis, Locks: b.locks(t)}
	records := b.records(t)
	if len(records) == 1 && b.rng.IntN(4) == 0 {
		cond.ID = "" // then a lost answer stays lost
	}
	b.append(abort, check.Place{Topic: Bank, Partition: p}, cond, records)
}

func (b *banker) look(abort context.Context, p int32, fn func(check.Balances, int64)) bool {
	ctx, cancel := context.WithTimeout(abort, callTimeout)
	defer cancel()
	err := b.views[p].Read(ctx, func(s check.Balances, at int64) error { fn(s, at); return nil })
	if err != nil && ctx.Err() == nil && !errors.Is(err, client.ErrClosed) {
		b.history.complain("%s: the view of %s-%d has ended: %v", b.name, Bank, p, err)
	}
	return err == nil
}

// update is a transfer by View.Update.
func (b *banker) update(abort context.Context, p int32) {
	ctx, cancel := context.WithTimeout(abort, callTimeout)
	defer cancel()
	a := check.Append{Writer: b.name, At: check.Place{Topic: Bank, Partition: p}, ID: b.next(), Invoked: b.history.now()}
	result, err := b.views[p].Update(ctx, func(tx *client.Tx, s check.Balances) error {
		a.Values = nil
		t := b.decide(maps.Clone(s), a.ID)
		if t.Amount == 0 {
			return nil
		}
		tx.ID(a.ID)
		tx.Lock(b.locks(t)...)
		for _, r := range b.records(t) {
			tx.Append(r)
			a.Values = append(a.Values, string(r.Value))
		}
		return nil
	})
	if err == nil && result.Offset == client.None || len(a.Values) == 0 {
		return
	}
	b.note(a, result, err)
}
