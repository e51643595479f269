package txn

import (
	"maps"
	"regexp"
	"slices"
)

// Description is what DescribeTransactions tells.
type Description struct {
	TransactionalID string
	State           State
	Producer        Producer
	TimeoutMs       int32
	StartMs         int64 // -1: none yet
	Partitions      []Partition
}

// Describe tells of one transactional id.
func (c *Coordinator) Describe(id string) (Description, error) {
	if id == "" {
		return Description{}, ErrInvalidRequest
	}
	t := c.byID[id]
	if t == nil {
		return Description{}, ErrNotFound
	}
	return t.describe(), nil
}

func (t *transaction) describe() Description {
	return Description{t.id, t.state, t.producer, t.timeoutMs, t.startMs, sorted(t.partitions)}
}

// Filter chooses transactional ids. An empty one chooses all.
type Filter struct {
	States      []State
	ProducerIDs []int64
	// DurationMs leaves out what is not open, or not for so long; below 1 it leaves out nothing.
	DurationMs int64
	Pattern    *regexp.Regexp // by CompilePattern; nil: any id fits
}

// CompilePattern makes a pattern of RE2's that whole ids must match.
func CompilePattern(expr string) (*regexp.Regexp, error) { return regexp.Compile(`^(?:` + expr + `)$`) }

// List tells of all that fit, by id.
func (c *Coordinator) List(now int64, f Filter) (all []Description) {
	for _, id := range slices.Sorted(maps.Keys(c.byID)) {
		if t := c.byID[id]; f.fits(now, t) {
			all = append(all, t.describe())
		}
	}
	return all
}

func (f *Filter) fits(now int64, t *transaction) bool {
	switch {
	case len(f.States) > 0 && !slices.Contains(f.States, t.state),
		len(f.ProducerIDs) > 0 && !slices.Contains(f.ProducerIDs, t.producer.ID):
		return false
	case f.DurationMs > 0 && (t.state != Ongoing && !t.state.ending() || now-t.startMs < f.DurationMs):
		return false
	}
	return f.Pattern == nil || f.Pattern.MatchString(t.id)
}

// Owner is the transactional id that has an open or ending transaction of a
// producer id: its markers are this coordinator's alone to write.
func (c *Coordinator) Owner(producerID int64) (id string, ok bool) {
	for _, t := range c.byID {
		if t.producer.ID == producerID && (t.state == Ongoing || t.state.ending()) {
			return t.id, true
		}
	}
	return "", false
}

// Transactions is the number of transactional ids, and how many of them have a
// transaction that is open or ending.
func (c *Coordinator) Transactions() (all, open int) {
	for _, t := range c.byID {
		if t.state == Ongoing || t.state.ending() {
			open++
		}
	}
	return len(c.byID), open
}

// States is how many transactional ids are in each state.
func (c *Coordinator) States() map[State]int {
	states := make(map[State]int)
	for _, t := range c.byID {
		states[t.state]++
	}
	return states
}
