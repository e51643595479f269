package ledger

import "fmt"

// State is one partition's accounts after a prefix of its log.
type State struct {
	Bank      Bank
	Partition int32
	Transfers int64   // in the log so far
	Balances  []int64 // by place
}

// NewState is that of an empty log.
func NewState(b Bank, partition int32) *State {
	s := &State{Bank: b, Partition: partition, Balances: make([]int64, b.Size(partition))}
	for i := range s.Balances {
		s.Balances[i] = Opening
	}
	return s
}

// Covers reports whether an account can give an amount.
func (s *State) Covers(account, amount uint32) bool {
	return s.Balances[s.Bank.Place(account)] >= int64(amount)
}

// Apply books a transfer. An error says why it should not be in the log; it is
// then not booked.
func (s *State) Apply(t Transfer) error {
	if err := s.Bank.check(s.Partition, t); err != nil {
		return err
	}
	if !s.Covers(t.From, t.Amount) {
		return fmt.Errorf("account %d has %d and gives %d", t.From, s.Balances[s.Bank.Place(t.From)], t.Amount)
	}
	s.Balances[s.Bank.Place(t.From)] -= int64(t.Amount)
	s.Balances[s.Bank.Place(t.To)] += int64(t.Amount)
	s.Transfers++
	return nil
}

// Total of all balances.
func (s *State) Total() (sum int64) {
	for _, b := range s.Balances {
		sum += b
	}
	return sum
}
