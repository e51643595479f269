package broker

import (
	"fmt"
	"strconv"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/protocol"
)

// GroupConfig says how consumer groups are kept. The zero value of a field is
// its default: of none is a number 0 a setting, but where it is Given.
type GroupConfig struct {
	// OffsetsPartitions is how many partitions the offsets topic is made with. Default 50.
	OffsetsPartitions int32
	// OffsetsReplicas is how many replicas it is made with, or as many as there
	// are brokers, if they are fewer. Default 3.
	OffsetsReplicas int16
	// InitialRebalanceDelay is how long an empty group waits for more members after
	// each that came; 0 is not at all. Default 500 ms, where Kafka has 3 s.
	InitialRebalanceDelay Given[time.Duration]
	SessionMin            time.Duration // default 6 s
	SessionMax            time.Duration // default 30 min
	ConsumerSession       time.Duration // of members of the consumer protocol; default 45 s
	ConsumerHeartbeat     time.Duration // how often those are to be heard of; default 5 s
	// What single groups may set in place of these two. Defaults: 45 s to 60 s and
	// 5 s to 15 s, or as far as the two themselves are beyond.
	ConsumerSessionMin, ConsumerSessionMax     time.Duration
	ConsumerHeartbeatMin, ConsumerHeartbeatMax time.Duration
	MembersMax                                 int           // of one group; default 10,000
	MetadataBytesMax                           Given[int]    // of one offset; 0 allows none; default 4,096
	CommitTimeout                              time.Duration // for a write to be committed, before its client is told to come again; default 5 s
	OffsetsRetention                           time.Duration // default 7 days
	OffsetsRetentionCheck                      time.Duration // default 10 min
}

func (c GroupConfig) withDefaults() GroupConfig {
	orDefault(&c.OffsetsPartitions, 50)
	orDefault(&c.OffsetsReplicas, 3)
	c.InitialRebalanceDelay = Give(c.InitialRebalanceDelay.or(500 * time.Millisecond))
	orDefault(&c.SessionMin, 6*time.Second)
	orDefault(&c.SessionMax, 30*time.Minute)
	orDefault(&c.ConsumerSession, 45*time.Second)
	orDefault(&c.ConsumerHeartbeat, 5*time.Second)
	orDefault(&c.ConsumerSessionMin, min(45*time.Second, c.ConsumerSession))
	orDefault(&c.ConsumerSessionMax, max(60*time.Second, c.ConsumerSession))
	orDefault(&c.ConsumerHeartbeatMin, min(5*time.Second, c.ConsumerHeartbeat))
	orDefault(&c.ConsumerHeartbeatMax, max(15*time.Second, c.ConsumerHeartbeat))
	orDefault(&c.MembersMax, 10_000)
	c.MetadataBytesMax = Give(c.MetadataBytesMax.or(4096))
	orDefault(&c.CommitTimeout, 5*time.Second)
	orDefault(&c.OffsetsRetention, 7*24*time.Hour)
	orDefault(&c.OffsetsRetentionCheck, 10*time.Minute)
	return c
}

func (c GroupConfig) validate() error {
	switch {
	case c.OffsetsPartitions < 1 || c.OffsetsReplicas < 1:
		return fmt.Errorf("the offsets topic cannot have %d partitions with %d replicas", c.OffsetsPartitions, c.OffsetsReplicas)
	case c.SessionMin <= 0 || c.SessionMax < c.SessionMin:
		return fmt.Errorf("group sessions cannot last from %v to %v", c.SessionMin, c.SessionMax)
	case min(c.CommitTimeout, c.OffsetsRetention, c.OffsetsRetentionCheck) <= 0,
		min(c.MembersMax-1, c.MetadataBytesMax.value, int(c.InitialRebalanceDelay.value)) < 0:
		return fmt.Errorf("a limit of consumer groups is not positive: %+v", c)
	}
	return c.validateConsumers()
}

// validateConsumers is for the groups whose assignments the broker makes (KIP-848).
func (c GroupConfig) validateConsumers() error {
	switch {
	case c.ConsumerHeartbeat <= 0 || c.ConsumerSession <= c.ConsumerHeartbeat:
		return fmt.Errorf("consumers cannot be heard of every %v in sessions of %v", c.ConsumerHeartbeat, c.ConsumerSession)
	case c.ConsumerHeartbeat < c.ConsumerHeartbeatMin || c.ConsumerHeartbeat > c.ConsumerHeartbeatMax:
		return fmt.Errorf("consumers cannot be heard of every %v where %v to %v are allowed",
			c.ConsumerHeartbeat, c.ConsumerHeartbeatMin, c.ConsumerHeartbeatMax)
	case c.ConsumerSession < c.ConsumerSessionMin || c.ConsumerSession > c.ConsumerSessionMax:
		return fmt.Errorf("sessions of consumers cannot last %v where %v to %v are allowed",
			c.ConsumerSession, c.ConsumerSessionMin, c.ConsumerSessionMax)
	}
	return nil
}

// rules are the same for the coordinators.
func (c GroupConfig) rules() group.Config {
	return group.Config{
		SessionMinMs: c.SessionMin.Milliseconds(), SessionMaxMs: c.SessionMax.Milliseconds(),
		InitialDelayMs:    c.InitialRebalanceDelay.value.Milliseconds(),
		ConsumerSessionMs: c.ConsumerSession.Milliseconds(), ConsumerHeartbeatMs: c.ConsumerHeartbeat.Milliseconds(),
		MembersMax: c.MembersMax, MetadataBytesMax: protocol.LimitOf(int64(c.MetadataBytesMax.value)),
		RetentionMs: c.OffsetsRetention.Milliseconds(), RetentionCheckMs: c.OffsetsRetentionCheck.Milliseconds(),
	}
}

// settings are these by Kafka's names.
func (c GroupConfig) settings() map[string]string {
	ms := func(d time.Duration) string { return strconv.FormatInt(max(0, d.Milliseconds()), 10) }
	return map[string]string{
		"group.consumer.heartbeat.interval.ms":     ms(c.ConsumerHeartbeat),
		"group.consumer.max.heartbeat.interval.ms": ms(c.ConsumerHeartbeatMax),
		"group.consumer.max.session.timeout.ms":    ms(c.ConsumerSessionMax),
		"group.consumer.max.size":                  strconv.Itoa(c.MembersMax),
		"group.consumer.min.heartbeat.interval.ms": ms(c.ConsumerHeartbeatMin),
		"group.consumer.min.session.timeout.ms":    ms(c.ConsumerSessionMin),
		"group.consumer.session.timeout.ms":        ms(c.ConsumerSession),
		"group.initial.rebalance.delay.ms":         ms(c.InitialRebalanceDelay.value),
		"group.max.session.timeout.ms":             ms(c.SessionMax),
		"group.max.size":                           strconv.Itoa(c.MembersMax),
		"group.min.session.timeout.ms":             ms(c.SessionMin),
		"offset.metadata.max.bytes":                strconv.Itoa(c.MetadataBytesMax.value),
		"offsets.commit.timeout.ms":                ms(c.CommitTimeout),
		"offsets.retention.check.interval.ms":      ms(c.OffsetsRetentionCheck),
		"offsets.retention.minutes":                strconv.Itoa(int(c.OffsetsRetention.Minutes())),
		"offsets.topic.num.partitions":             strconv.Itoa(int(c.OffsetsPartitions)),
		"offsets.topic.replication.factor":         strconv.Itoa(int(c.OffsetsReplicas)),
	}
}
