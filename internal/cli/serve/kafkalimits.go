package serve

import (
	"fmt"
	"math"
	"time"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// kafkaLimits are limits and times of a broker that Kafka's variables set and no
// setting of ours does; 0 is the broker's default, and cannot be asked for, but of
// QueuedBytesMax, where it is Kafka's word for it.
type kafkaLimits struct {
	IdleMs                           int64 // -1: a silent connection is never closed
	RequestBytesMax, QueuedBytesMax  int64
	LagMs, SessionMs, OffsetsCheckMs int64
	PreferredSeconds                 int64
	FetchSessions                    int64 // -1: none
	TxnPartitions, TxnReplicas       int64
	TxnTimeoutMs                     int64
	TxnExpirationMs, TxnCheckMs      int64
	NoRebalance, NoDeletes           bool
}

// idleSetting is -1 where a silent connection is never closed. At 0 each would be at once.
const idleSetting = "connections.max.idle.ms"

// kafkaNumbers is the table of those that are numbers, each with the least that it may be.
var kafkaNumbers = []struct {
	setting string
	least   int64
	most    int64
	at      func(*kafkaLimits) *int64
}{
	{idleSetting, -1, math.MaxInt64, func(k *kafkaLimits) *int64 { return &k.IdleMs }},
	{"socket.request.max.bytes", 1, math.MaxInt32, func(k *kafkaLimits) *int64 { return &k.RequestBytesMax }},
	{"queued.max.request.bytes", -1, math.MaxInt64, func(k *kafkaLimits) *int64 { return &k.QueuedBytesMax }},
	{"replica.lag.time.max.ms", 1, math.MaxInt64, func(k *kafkaLimits) *int64 { return &k.LagMs }},
	{"broker.session.timeout.ms", 1000, math.MaxInt32, func(k *kafkaLimits) *int64 { return &k.SessionMs }},
	{"offsets.retention.check.interval.ms", 1, math.MaxInt64, func(k *kafkaLimits) *int64 { return &k.OffsetsCheckMs }},
	{fetchSessionSlots, 0, math.MaxInt32, func(k *kafkaLimits) *int64 { return &k.FetchSessions }},
	{"transaction.max.timeout.ms", 1, math.MaxInt32, func(k *kafkaLimits) *int64 { return &k.TxnTimeoutMs }},
	{"transaction.remove.expired.transaction.cleanup.interval.ms", 1, math.MaxInt32,
		func(k *kafkaLimits) *int64 { return &k.TxnCheckMs }},
	{"transaction.state.log.num.partitions", 1, math.MaxInt32, func(k *kafkaLimits) *int64 { return &k.TxnPartitions }},
	{"transaction.state.log.replication.factor", 1, math.MaxInt16, func(k *kafkaLimits) *int64 { return &k.TxnReplicas }},
	{"transactional.id.expiration.ms", 1, math.MaxInt32, func(k *kafkaLimits) *int64 { return &k.TxnExpirationMs }},
	{"leader.imbalance.check.interval.seconds", 1, math.MaxInt32,
		func(k *kafkaLimits) *int64 { return &k.PreferredSeconds }},
}

const fetchSessionSlots = "max.incremental.fetch.session.cache.slots"

// kafkaDenials is the table of those that turn off what is on by default.
var kafkaDenials = []struct {
	setting string
	at      func(*kafkaLimits) *bool
}{
	{"auto.leader.rebalance.enable", func(k *kafkaLimits) *bool { return &k.NoRebalance }},
	{"delete.topic.enable", func(k *kafkaLimits) *bool { return &k.NoDeletes }},
}

// applyKafkaLimits reads both.
func (l *layers) applyKafkaLimits(c *serveConfig) error {
	for _, v := range kafkaNumbers {
		name := kafkaVariable(v.setting)
		text, ok := l.env.value[name]
		if !ok {
			continue
		}
		l.carried[name] = true
		n := v.at(&c.Kafka)
		// In Kafka 0 closes every connection at once, which nobody means.
		if err := parseInt64(text, v.least, n); err == nil && *n == 0 && v.setting == idleSetting {
			return fmt.Errorf("%s: want -1, which is never, or a number from 1",
				command.DescribeSetting(v.setting, l.env.given(name)))
		} else if err != nil || *n > v.most {
			return fmt.Errorf("%s: want a number from %d to %d", command.DescribeSetting(v.setting, l.env.given(name)), v.least,
				v.most)
		}
	}
	// 0 slots are none, and not the default.
	if l.carried[kafkaVariable(fetchSessionSlots)] && c.Kafka.FetchSessions == 0 {
		c.Kafka.FetchSessions = -1
	}
	for _, v := range kafkaDenials {
		name := kafkaVariable(v.setting)
		text, ok := l.env.value[name]
		if !ok {
			continue
		}
		l.carried[name] = true
		var on bool
		if err := parseBool(text, &on); err != nil {
			return fmt.Errorf("%s: %w", command.DescribeSetting(v.setting, l.env.given(name)), err)
		}
		*v.at(&c.Kafka) = !on
	}
	return nil
}

// limit puts them into the broker's own words.
func (k kafkaLimits) limit(to *broker.Config) {
	ms := func(n int64) time.Duration {
		return time.Duration(min(n, int64(century/time.Millisecond))) * time.Millisecond
	}
	to.LagTimeMax, to.SessionTimeout, to.Groups.OffsetsRetentionCheck = ms(k.LagMs), ms(k.SessionMs), ms(k.OffsetsCheckMs)
	if to.IdleTimeout = ms(k.IdleMs); k.IdleMs < 0 {
		to.IdleTimeout = century
	}
	to.RequestBytesMax, to.FramesBytesMax = int32(k.RequestBytesMax), max(0, k.QueuedBytesMax)
	if two := 2 * k.RequestBytesMax; k.QueuedBytesMax <= 0 && two > framesBytes {
		to.FramesBytesMax = two // which a broker wants to have room for
	}
	to.PreferredInterval = time.Duration(k.PreferredSeconds) * time.Second
	if k.NoRebalance {
		to.PreferredInterval = -1
	}
	to.TopicsStay = k.NoDeletes
	to.Transactions = broker.TransactionConfig{
		StatePartitions: int32(k.TxnPartitions), StateReplicas: int16(k.TxnReplicas),
		TimeoutMax: ms(k.TxnTimeoutMs), IDExpiration: ms(k.TxnExpirationMs), ExpiryCheck: ms(k.TxnCheckMs),
	}
	if k.FetchSessions != 0 {
		to.FetchSessions = broker.Give(int(max(0, k.FetchSessions)))
	}
}

const (
	century     = 100 * 365 * 24 * time.Hour // as good as for ever, and no deadline overflows
	framesBytes = 512 << 20                  // the broker's default
)
