package check

import (
	"fmt"
	"strings"
)

// Opening is what every account begins with.
const Opening = 1000

// Transfer is the value of a transfer: an id that is unique in the run, two
// accounts, an amount, and which of the transfer's records it is.
type Transfer struct {
	ID       string
	From, To string
	Amount   int
	Side     string // "both", or "debit" and then "credit"
}

func (t Transfer) String() string {
	return fmt.Sprintf("%s transfer %s %s %d %s", t.ID, t.From, t.To, t.Amount, t.Side)
}

// ParseTransfer reads a value; other values are not ok.
func ParseTransfer(value string) (t Transfer, ok bool) {
	var verb string
	n, _ := fmt.Sscan(value, &t.ID, &verb, &t.From, &t.To, &t.Amount, &t.Side)
	return t, n == 6 && verb == "transfer"
}

// Balances are the accounts that differ from Opening.
type Balances map[string]int

// Of an account.
func (b Balances) Of(account string) int { return Opening + b[account] }

// Apply books a record of the log.
func (b Balances) Apply(value string) {
	t, ok := ParseTransfer(value)
	if !ok {
		return
	}
	if t.Side != "credit" {
		b[t.From] -= t.Amount
	}
	if t.Side != "debit" {
		b[t.To] += t.Amount
	}
}

// Bank finds an overdrawn account and money that came from nowhere.
func (l *Log) Bank() []string {
	b := Balances{}
	for _, r := range l.Records {
		b.Apply(r.Value)
		if t, ok := ParseTransfer(r.Value); ok && b.Of(t.From) < 0 {
			return []string{fmt.Sprintf("%v: offset %d overdraws %s: %q", l.At, r.Offset, t.From, r.Value)}
		}
	}
	total := 0
	for _, n := range b {
		total += n
	}
	if total != 0 {
		return []string{fmt.Sprintf("%v: the accounts differ by %d from what was paid in", l.At, total)}
	}
	return nil
}

// First is the first word of a value: who wrote it, or the transfer's id.
func First(value string) string {
	word, _, _ := strings.Cut(value, " ")
	return word
}
