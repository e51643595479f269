package group

import (
	"github.com/lockstep-log/lockstep/protocol"
)

// Config bounds and times groups. The zero value of a field is its default;
// names are Kafka's settings.
type Config struct {
	SessionMinMs int64 // group.min.session.timeout.ms; default 6,000
	SessionMaxMs int64 // group.max.session.timeout.ms; default 1,800,000
	// group.initial.rebalance.delay.ms: how long an empty group waits for more
	// members after each that has come; 0 is no wait.
	InitialDelayMs int64
	NewMemberMs    int64 // how long a new member may wait for its first rebalance; default 300,000
	// group.consumer.session.timeout.ms, and how often members of the consumer
	// protocol are to be heard of: group.consumer.heartbeat.interval.ms.
	ConsumerSessionMs   int64          // default 45,000
	ConsumerHeartbeatMs int64          // default 5,000
	MembersMax          int            // group.max.size; default 10,000
	GroupBytesMax       int            // of one group's subscriptions, all members; default 16 MiB
	GroupsMax           int            // of one coordinator; default 100,000
	GroupIDBytesMax     int            // default 1,024
	MetadataBytesMax    protocol.Limit // offset.metadata.max.bytes; default: no bound
	RetentionMs         int64          // offsets.retention.minutes; default 7 days
	RetentionCheckMs    int64          // offsets.retention.check.interval.ms; default 600,000
}

func (c Config) withDefaults() Config {
	orDefault(&c.SessionMinMs, 6_000)
	orDefault(&c.SessionMaxMs, 1_800_000)
	orDefault(&c.NewMemberMs, 300_000)
	orDefault(&c.ConsumerSessionMs, 45_000)
	orDefault(&c.ConsumerHeartbeatMs, 5_000)
	orDefault(&c.MembersMax, 10_000)
	orDefault(&c.GroupBytesMax, 16<<20)
	orDefault(&c.GroupsMax, 100_000)
	orDefault(&c.GroupIDBytesMax, 1024)
	orDefault(&c.RetentionMs, 7*24*3_600_000)
	orDefault(&c.RetentionCheckMs, 600_000)
	return c
}

func orDefault[T int | int64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}
