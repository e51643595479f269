package broker

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/txn"
)

// TransactionConfig says how transactions are coordinated. The zero value of a field
// is its default.
type TransactionConfig struct {
	// StatePartitions is how many partitions the topic of transactions is made with. Default 50.
	StatePartitions int32
	// StateReplicas is how many replicas it is made with, or as many as there are
	// brokers, if they are fewer. Default 3.
	StateReplicas int16
	TimeoutMax    time.Duration // the longest that a producer may ask for; default 15 min
	IDExpiration  time.Duration // of transactional ids that nobody uses; default 7 days
	ExpiryCheck   time.Duration // how often those are looked for; default 1 h
	CommitTimeout time.Duration // for a write to be committed, before its client is told to come again; default 5 s
}

func (c TransactionConfig) withDefaults() TransactionConfig {
	orDefault(&c.StatePartitions, 50)
	orDefault(&c.StateReplicas, 3)
	orDefault(&c.TimeoutMax, 15*time.Minute)
	orDefault(&c.IDExpiration, 7*24*time.Hour)
	orDefault(&c.ExpiryCheck, time.Hour)
	orDefault(&c.CommitTimeout, 5*time.Second)
	return c
}

func (c TransactionConfig) validate() error {
	switch {
	case c.StatePartitions < 1 || c.StateReplicas < 1:
		return fmt.Errorf("the topic of transactions cannot have %d partitions with %d replicas", c.StatePartitions, c.StateReplicas)
	case c.TimeoutMax < time.Millisecond || c.TimeoutMax > math.MaxInt32*time.Millisecond:
		return fmt.Errorf("transactions cannot last %v at most", c.TimeoutMax)
	case c.IDExpiration < time.Millisecond || c.ExpiryCheck < time.Millisecond || c.CommitTimeout <= 0:
		return fmt.Errorf("a limit of transactions is not positive: %+v", c)
	}
	return nil
}

// rules are the same for the coordinators.
func (c TransactionConfig) rules() txn.Config {
	return txn.Config{
		TimeoutMaxMs: int32(c.TimeoutMax.Milliseconds()), IDExpirationMs: c.IDExpiration.Milliseconds(),
		ExpiryCheckMs: c.ExpiryCheck.Milliseconds(),
	}
}

// settings are these by Kafka's names.
func (c TransactionConfig) settings() map[string]string {
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	return map[string]string{
		"transaction.max.timeout.ms":                                 ms(c.TimeoutMax),
		"transaction.remove.expired.transaction.cleanup.interval.ms": ms(c.ExpiryCheck),
		"transaction.state.log.num.partitions":                       strconv.Itoa(int(c.StatePartitions)),
		"transaction.state.log.replication.factor":                   strconv.Itoa(int(c.StateReplicas)),
		"transactional.id.expiration.ms":                             ms(c.IDExpiration),
	}
}
