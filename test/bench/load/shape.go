package load

import "fmt"

// LocksMax is the most locks a record of a Shape can have.
const LocksMax = 99

// LiveDefault is the size of the lock population of one Run.
const LiveDefault = 1 << 20

// Shape is what one produce request carries: one batch of equal records.
type Shape struct {
	Records int // in a batch, 1 to 9999
	Value   int // bytes of a record's value
	Locks   int // locks that each record writes, 0 for a plain produce
	Live    int // distinct locks that a Run goes round over; 0 is LiveDefault
}

// String is 100x100B, or 100x100B+2 with two locks a record.
func (s Shape) String() string {
	value := fmt.Sprintf("%dB", s.Value)
	if s.Value >= 1024 && s.Value%1024 == 0 {
		value = fmt.Sprintf("%dKiB", s.Value/1024)
	}
	if s.Locks == 0 {
		return fmt.Sprintf("%dx%s", s.Records, value)
	}
	return fmt.Sprintf("%dx%s+%d", s.Records, value, s.Locks)
}

func (s Shape) validate() error {
	if s.Records < 1 || s.Records > 9999 {
		return fmt.Errorf("load: %d records in a batch, want 1 to 9999", s.Records)
	}
	if s.Value < 0 || s.Locks < 0 || s.Locks > LocksMax || s.Live < 0 {
		return fmt.Errorf("load: shape %+v is out of bounds", s)
	}
	return nil
}

// turns is how many names each lock of a batch goes through, given slots of it.
func (s Shape) turns(slots int) int {
	live := s.Live
	if live == 0 {
		live = LiveDefault
	}
	return min(max(1, live/max(1, slots*s.Records*s.Locks)), turnsMax)
}
