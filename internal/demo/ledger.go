package demo

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
)

// entry is one record of the demo's log. What an operation sets stands in it as
// its writer worked it out from the state that it saw: an entry that was
// written on a stale state would make money, or lose it.
//
//	open        write acct:A                      Settled of A
//	deposit     no lock                           Amount into A
//	transfer    write acct:A acct:B, read out:A   Settled of A and ToSettled of B
//	withdraw    write out:A, read acct:A          Withdrawn of A
//	deactivate  write acct:A                      A may not be touched any more
//	activate    write acct:A                      it may again
type entry struct {
	Op        string `json:"op"`
	Account   int    `json:"account"`
	To        int    `json:"to,omitempty"`
	Amount    int    `json:"amount,omitempty"`
	Settled   int    `json:"settled,omitempty"`
	ToSettled int    `json:"toSettled,omitempty"`
	Withdrawn int    `json:"withdrawn,omitempty"`
}

const (
	opOpen       = "open"
	opDeposit    = "deposit"
	opTransfer   = "transfer"
	opWithdraw   = "withdraw"
	opDeactivate = "deactivate"
	opActivate   = "activate"
)

// account is what it was opened with and transfers have made of that, what was
// deposited and what was withdrawn. Each part has its own lock, or none, so
// that deposits hold up nobody and withdrawals only each other and transfers.
type account struct {
	settled, deposited, withdrawn int
	open                          bool
}

func (a account) balance() int { return a.settled + a.deposited - a.withdrawn }

// ledger is the bank, folded from its log. Money is in accounts or in hands;
// together it is what accounts were opened with.
type ledger struct {
	accounts map[int]*account
	sum      int // of the balances, kept up
	hands    int
	supply   int
	drift    int // total less supply: 0
	entries  int
	last     map[string]int // number of each writer's last entry
	wrong    []string       // what must never be, the first few
	wrongAll int
}

func newLedger() *ledger { return &ledger{accounts: map[int]*account{}, last: map[string]int{}} }

func (l *ledger) total() int { return l.sum + l.hands }

const wrongMax = 5

func (l *ledger) blame(r *kgo.Record, format string, args ...any) {
	if l.wrongAll++; l.wrongAll <= wrongMax {
		l.wrong = append(l.wrong, fmt.Sprintf("offset %d: ", r.Offset)+fmt.Sprintf(format, args...))
	}
}

// apply folds one record and holds it to the rules of the bank.
func (l *ledger) apply(r *kgo.Record) {
	var e entry
	if err := json.Unmarshal(r.Value, &e); err != nil {
		l.blame(r, "no entry: %v", err)
		return
	}
	l.entries++
	l.number(r)
	a := l.account(e.Account)
	before := a.balance()
	switch e.Op {
	case opOpen:
		a.settled, a.open = e.Settled, true
		l.supply += e.Settled
	case opDeposit:
		a.deposited += e.Amount
		l.hands -= e.Amount
	case opTransfer:
		l.transfer(r, a, &e)
	case opWithdraw:
		l.mustBeOpen(r, a, e.Account)
		a.withdrawn = e.Withdrawn
		l.hands += e.Amount
	case opDeactivate, opActivate:
		a.open = e.Op == opActivate
	default:
		l.blame(r, "an operation %q", e.Op)
	}
	l.sum += a.balance() - before
	if a.balance() < 0 {
		l.blame(r, "account %d is overdrawn by %d", e.Account, -a.balance())
	}
	if drift := l.total() - l.supply; drift != l.drift {
		l.drift = drift
		l.blame(r, "a %s of account %d makes the total %d, of %d", e.Op, e.Account, l.total(), l.supply)
	}
}

func (l *ledger) transfer(r *kgo.Record, from *account, e *entry) {
	to := l.account(e.To)
	l.mustBeOpen(r, from, e.Account)
	l.mustBeOpen(r, to, e.To)
	before := to.balance()
	from.settled, to.settled = e.Settled, e.ToSettled
	l.sum += to.balance() - before
}

func (l *ledger) mustBeOpen(r *kgo.Record, a *account, id int) {
	if !a.open {
		l.blame(r, "account %d was touched while it was closed", id)
	}
}

func (l *ledger) account(id int) *account {
	a := l.accounts[id]
	if a == nil {
		a = &account{}
		l.accounts[id] = a
	}
	return a
}

// number holds each writer's entries to be there once, and none left out.
func (l *ledger) number(r *kgo.Record) {
	for _, h := range r.Headers {
		if h.Key != protocol.HeaderLockID {
			continue
		}
		writer, n, ok := splitEntryID(string(h.Value))
		if !ok {
			continue
		}
		if n != l.last[writer]+1 {
			l.blame(r, "%s wrote its entry %d after its entry %d", writer, n, l.last[writer])
		}
		l.last[writer] = n
	}
}

func entryID(writer string, n int) string { return writer + "." + strconv.Itoa(n) }

func splitEntryID(id string) (writer string, n int, ok bool) {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i] == '.' {
			n, err := strconv.Atoi(id[i+1:])
			return id[:i], n, err == nil && n > 0
		}
	}
	return "", 0, false
}

// digest is the same for equal ledgers.
func (l *ledger) digest() string {
	sum := fnv.New64a()
	for id := range len(l.accounts) {
		if a := l.accounts[id]; a != nil {
			fmt.Fprintln(sum, id, *a)
		}
	}
	fmt.Fprintln(sum, l.hands, l.supply, l.entries)
	return strconv.FormatUint(sum.Sum64(), 16)
}
