package demo

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
)

// errDeclined is a decision not to: the account is not covered, or closed.
var errDeclined = errors.New("declined")

const (
	openingBalance = 1000
	amountMax      = 400 // large enough that accounts run dry
)

// wish is what a customer wants done.
type wish struct {
	op      string
	account int
	to      int
	amount  int
}

// someWish is a customer's next one: of a hundred, 20 deposits, 50 transfers,
// 25 withdrawals and 5 openings or closings.
func someWish(accounts int) wish {
	w := wish{account: rand.IntN(accounts), amount: 1 + rand.IntN(amountMax)}
	w.to = (w.account + 1 + rand.IntN(accounts-1)) % accounts
	switch p := rand.IntN(100); {
	case p < 20:
		w.op = opDeposit
	case p < 70:
		w.op = opTransfer
	case p < 95:
		w.op = opWithdraw
	case p < 97:
		w.op = opDeactivate
	default:
		w.op = opActivate
	}
	return w
}

func accountLock(id int) string    { return "acct:" + strconv.Itoa(id) }
func withdrawalLock(id int) string { return "out:" + strconv.Itoa(id) }

// decide works a wish out on a state: the entry, and what it depends on.
func (w wish) decide(l *ledger) (e entry, locks []client.Lock, err error) {
	from, to := l.accounts[w.account], l.accounts[w.to]
	e = entry{Op: w.op, Account: w.account}
	write := client.Write(accountLock(w.account))
	switch w.op {
	case opDeposit:
		e.Amount = w.amount
		return e, nil, nil
	case opDeactivate, opActivate:
		if from.open == (w.op == opActivate) {
			return e, nil, errDeclined
		}
		return e, []client.Lock{write}, nil
	}
	if !from.open || from.balance() < w.amount {
		return e, nil, errDeclined
	}
	e.Amount = w.amount
	if w.op == opWithdraw {
		e.Withdrawn = from.withdrawn + w.amount
		return e, []client.Lock{client.Write(withdrawalLock(w.account)), client.Read(accountLock(w.account))}, nil
	}
	if !to.open {
		return e, nil, errDeclined
	}
	e.To, e.Settled, e.ToSettled = w.to, from.settled-w.amount, to.settled+w.amount
	return e, []client.Lock{write, client.Write(accountLock(w.to)), client.Read(withdrawalLock(w.account))}, nil
}

func (e entry) record() *kgo.Record {
	value, err := json.Marshal(e)
	if err != nil {
		panic(err) // an entry is numbers and a word
	}
	return &kgo.Record{Key: strconv.AppendInt(nil, int64(e.Account), 10), Value: value}
}
