package serve

import (
	"fmt"
	"time"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// groupLimits are what the variables of Kafka's images say of consumer groups.
// None of them may be 0: that is the broker's default.
type groupLimits struct {
	SessionMinMs, SessionMaxMs                                    int32
	ConsumerSessionMs, ConsumerSessionMinMs, ConsumerSessionMaxMs int32
	ConsumerBeatMs, ConsumerBeatMinMs, ConsumerBeatMaxMs          int32
	MembersMax, ConsumerMembersMax                                int32
	MetadataBytesMax, CommitTimeoutMs, RetentionMinutes           int32
}

// kafkaGroups is the table of those variables: tests and tools set them that are
// made for quick rebalances.
var kafkaGroups = []struct {
	env, name string
	at        func(*groupLimits) *int32
}{
	{"KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS", "group.min.session.timeout.ms",
		func(g *groupLimits) *int32 { return &g.SessionMinMs }},
	{"KAFKA_GROUP_MAX_SESSION_TIMEOUT_MS", "group.max.session.timeout.ms",
		func(g *groupLimits) *int32 { return &g.SessionMaxMs }},
	{"KAFKA_GROUP_MAX_SIZE", "group.max.size", func(g *groupLimits) *int32 { return &g.MembersMax }},
	{"KAFKA_GROUP_CONSUMER_SESSION_TIMEOUT_MS", "group.consumer.session.timeout.ms",
		func(g *groupLimits) *int32 { return &g.ConsumerSessionMs }},
	{"KAFKA_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS", "group.consumer.min.session.timeout.ms",
		func(g *groupLimits) *int32 { return &g.ConsumerSessionMinMs }},
	{"KAFKA_GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS", "group.consumer.max.session.timeout.ms",
		func(g *groupLimits) *int32 { return &g.ConsumerSessionMaxMs }},
	{"KAFKA_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS", "group.consumer.heartbeat.interval.ms",
		func(g *groupLimits) *int32 { return &g.ConsumerBeatMs }},
	{"KAFKA_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS", "group.consumer.min.heartbeat.interval.ms",
		func(g *groupLimits) *int32 { return &g.ConsumerBeatMinMs }},
	{"KAFKA_GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS", "group.consumer.max.heartbeat.interval.ms",
		func(g *groupLimits) *int32 { return &g.ConsumerBeatMaxMs }},
	{"KAFKA_OFFSET_METADATA_MAX_BYTES", "offset.metadata.max.bytes",
		func(g *groupLimits) *int32 { return &g.MetadataBytesMax }},
	{"KAFKA_OFFSETS_COMMIT_TIMEOUT_MS", "offsets.commit.timeout.ms",
		func(g *groupLimits) *int32 { return &g.CommitTimeoutMs }},
	{"KAFKA_OFFSETS_RETENTION_MINUTES", "offsets.retention.minutes",
		func(g *groupLimits) *int32 { return &g.RetentionMinutes }},
	{"KAFKA_GROUP_CONSUMER_MAX_SIZE", "group.consumer.max.size",
		func(g *groupLimits) *int32 { return &g.ConsumerMembersMax }},
}

// applyKafkaGroups reads the variables.
func (l *layers) applyKafkaGroups(c *serveConfig) error {
	for _, v := range kafkaGroups {
		text, ok := l.env.value[v.env]
		if !ok {
			continue
		}
		if err := parseInt32(text, 1, v.at(&c.Groups)); err != nil {
			return fmt.Errorf("%s: %w", command.DescribeSetting(v.name, l.env.given(v.env)), err)
		}
	}
	return c.Groups.oneSize()
}

// oneSize makes one limit of Kafka's two: groups of both protocols have the same.
func (g *groupLimits) oneSize() error {
	switch {
	case g.ConsumerMembersMax == 0:
	case g.MembersMax == 0:
		g.MembersMax = g.ConsumerMembersMax
	case g.MembersMax != g.ConsumerMembersMax:
		return fmt.Errorf("settings group.max.size = %d and group.consumer.max.size = %d (environment): groups of both "+
			"protocols have the same limit; give one of them",
			g.MembersMax, g.ConsumerMembersMax)
	}
	return nil
}

// limit puts them into the broker's own words.
func (g groupLimits) limit(to *broker.GroupConfig) {
	ms := func(n int32) time.Duration { return time.Duration(n) * time.Millisecond }
	to.SessionMin, to.SessionMax = ms(g.SessionMinMs), ms(g.SessionMaxMs)
	to.ConsumerSession, to.ConsumerSessionMin, to.ConsumerSessionMax = ms(g.ConsumerSessionMs),
		ms(g.ConsumerSessionMinMs), ms(g.ConsumerSessionMaxMs)
	to.ConsumerHeartbeat, to.ConsumerHeartbeatMin, to.ConsumerHeartbeatMax = ms(g.ConsumerBeatMs),
		ms(g.ConsumerBeatMinMs), ms(g.ConsumerBeatMaxMs)
	to.MembersMax, to.CommitTimeout = int(g.MembersMax), ms(g.CommitTimeoutMs)
	if g.MetadataBytesMax > 0 {
		to.MetadataBytesMax = broker.Give(int(g.MetadataBytesMax))
	}
	to.OffsetsRetention = time.Duration(g.RetentionMinutes) * time.Minute
}
