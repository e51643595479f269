package settings

import "math"

// forever is how Kafka writes "no limit" for times that have no -1.
const forever = "9223372036854775807"

const noTiers = "there is no remote tier here"

const (
	msPerMinute = 60 * 1000
	msPerHour   = 60 * msPerMinute
)

// same is the synonym of a setting that has one broker-level name in the same unit.
func same(name string) []BrokerName { return []BrokerName{{Name: name, Unit: 1}} }

// topicTable is every topic setting. Names, types and defaults are those of
// Kafka 4.0, but for flush.messages, which is 1 so that an acknowledged append
// is on disk, and for the last ones, which are ours.
var topicTable = sortedByName([]Definition{
	{
		Name: "cleanup.policy", Type: List, Default: "delete", Importance: Medium, Synonyms: same("log.cleanup.policy"),
		Doc: "What happens to old records: delete drops whole segments by retention, compact keeps the newest record " +
			"of each key. Empty: all are kept.",
		bind: bindCleanupPolicy,
	},
	{
		Name: "compression.type", Type: String, Default: "producer", Importance: Medium, Synonyms: same("compression.type"),
		Doc: "What batches are compressed by. producer: they stay as they were sent. Otherwise those with another " +
			"codec are compressed anew.",
		bind: wordAt(func(t *Topic) *string { return &t.CompressionType }, "producer", "uncompressed", "gzip", "snappy",
			"lz4", "zstd"),
	},
	{
		Name: "compression.gzip.level", Type: Int, Default: "-1", Importance: Low, Synonyms: same("compression.gzip.level"),
		Doc:  "How hard gzip tries when compression.type is gzip: 1 to 9; -1 is its default.",
		bind: bindGzipLevel,
	},
	{
		Name: "compression.lz4.level", Type: Int, Default: "9", Importance: Low, Synonyms: same("compression.lz4.level"),
		Doc: "How hard lz4 tries when compression.type is lz4: 1 to 17. As in Kafka, 9 is the fast one; all others try " +
			"hard, and cost 15 times as much.",
		bind: intAt(1, 17, func(t *Topic) *int32 { return &t.LZ4Level }),
	},
	{
		Name: "compression.zstd.level", Type: Int, Default: "3", Importance: Low, Synonyms: same("compression.zstd.level"),
		Doc: "How hard zstd tries when compression.type is zstd: the nearest of four levels is taken, up to 2, up to " +
			"5, up to 9, and above.",
		bind: intAt(-131072, 22, func(t *Topic) *int32 { return &t.ZstdLevel }),
	},
	{
		Name: "delete.retention.ms", Type: Long, Default: "86400000", Importance: Medium,
		Synonyms: same("log.cleaner.delete.retention.ms"),
		Doc:      "How long a compacted topic keeps a deletion mark, in milliseconds.",
		bind:     intAt(0, math.MaxInt64, func(t *Topic) *int64 { return &t.DeleteRetentionMs }),
	},
	{
		Name: "file.delete.delay.ms", Type: Long, Default: "60000", Importance: Medium,
		Synonyms: same("log.segment.delete.delay.ms"),
		Doc:      "How long a dropped segment's file stays on disk, in milliseconds.",
		bind:     intAt(0, math.MaxInt64, func(t *Topic) *int64 { return &t.FileDeleteDelayMs }),
	},
	{
		Name: "flush.messages", Type: Long, Default: "1", Importance: High, Synonyms: same("log.flush.interval.messages"),
		Doc: "How many records may be written before the log is synced. 1: with acks=all a record is on disk on every " +
			"in-sync replica before it is acknowledged.",
		bind: intAt(1, math.MaxInt64, func(t *Topic) *int64 { return &t.FlushMessages }),
	},
	{
		Name: "flush.ms", Type: Long, Default: forever, Importance: Medium, Synonyms: same("log.flush.interval.ms"),
		BrokerUnset: true,
		Doc:         "How long a written record may wait for a sync, in milliseconds.",
		bind:        intAt(0, math.MaxInt64, func(t *Topic) *int64 { return &t.FlushMs }),
	},
	{
		Name: "follower.replication.throttled.replicas", Type: List, Default: "", Importance: Medium,
		Doc:  "The replicas, as PARTITION:BROKER pairs or *, whose catching up is throttled on the follower.",
		bind: bindThrottled(func(t *Topic) *[]string { return &t.FollowerThrottledReplicas }),
	},
	{
		Name: "index.interval.bytes", Type: Int, Default: "4096", Importance: Medium,
		Synonyms: same("log.index.interval.bytes"),
		Doc:      "How many bytes of the log lie between two entries of its offset index.",
		bind:     intAt(0, math.MaxInt32, func(t *Topic) *int32 { return &t.IndexIntervalBytes }),
	},
	{
		Name: "leader.replication.throttled.replicas", Type: List, Default: "", Importance: Medium,
		Doc:  "The replicas, as PARTITION:BROKER pairs or *, whose catching up is throttled on the leader.",
		bind: bindThrottled(func(t *Topic) *[]string { return &t.LeaderThrottledReplicas }),
	},
	{
		Name: "local.retention.bytes", Type: Long, Default: "-2", Importance: Medium,
		Synonyms: same("log.local.retention.bytes"),
		Doc:      "Of Kafka's tiered storage; without remote.storage.enable it says nothing, as in Kafka.",
		bind:     intAt(-2, math.MaxInt64, unused),
	},
	{
		Name: "local.retention.ms", Type: Long, Default: "-2", Importance: Medium, Synonyms: same("log.local.retention.ms"),
		Doc:  "Of Kafka's tiered storage; without remote.storage.enable it says nothing, as in Kafka.",
		bind: intAt(-2, math.MaxInt64, unused),
	},
	{
		Name: "max.compaction.lag.ms", Type: Long, Default: forever, Importance: Medium,
		Synonyms: same("log.cleaner.max.compaction.lag.ms"),
		Doc:      "How long a record may stay uncompacted, in milliseconds.",
		bind:     intAt(1, math.MaxInt64, func(t *Topic) *int64 { return &t.MaxCompactionLagMs }),
	},
	{
		Name: "max.message.bytes", Type: Int, Default: "1048588", Importance: Medium, Synonyms: same("message.max.bytes"),
		Doc:  "The largest batch that is taken, in bytes, as it comes: compressed if it is; 0: none.",
		bind: intAt(0, math.MaxInt32, func(t *Topic) *int32 { return &t.MaxMessageBytes }),
	},
	{
		Name: "message.timestamp.after.max.ms", Type: Long, Default: "3600000", Importance: Medium,
		Synonyms: same("log.message.timestamp.after.max.ms"),
		Doc:      "How far a record's timestamp may lie in the future, in milliseconds. Not looked at with LogAppendTime.",
		bind:     intAt(0, math.MaxInt64, func(t *Topic) *int64 { return &t.TimestampAfterMaxMs }),
	},
	{
		Name: "message.timestamp.before.max.ms", Type: Long, Default: forever, Importance: Medium,
		Synonyms: same("log.message.timestamp.before.max.ms"),
		Doc:      "How far a record's timestamp may lie in the past, in milliseconds. Not looked at with LogAppendTime.",
		bind:     intAt(0, math.MaxInt64, func(t *Topic) *int64 { return &t.TimestampBeforeMaxMs }),
	},
	{
		Name: "message.timestamp.type", Type: String, Default: "CreateTime", Importance: Medium,
		Synonyms: same("log.message.timestamp.type"),
		Doc:      "Whose clock stamps records: the producer's (CreateTime) or the broker's (LogAppendTime).",
		bind:     bindTimestampType,
	},
	{
		Name: "min.cleanable.dirty.ratio", Type: Double, Default: "0.5", Importance: Medium,
		Synonyms: same("log.cleaner.min.cleanable.ratio"),
		Doc:      "The share of a log that must be uncompacted before it is compacted again.",
		bind:     ratioAt(func(t *Topic) *float64 { return &t.MinCleanableDirtyRatio }),
	},
	{
		Name: "min.compaction.lag.ms", Type: Long, Default: "0", Importance: Medium,
		Synonyms: same("log.cleaner.min.compaction.lag.ms"),
		Doc:      "How long a record stays uncompacted at least, in milliseconds.",
		bind:     intAt(0, math.MaxInt64, func(t *Topic) *int64 { return &t.MinCompactionLagMs }),
	},
	{
		Name: "min.insync.replicas", Type: Int, Default: "1", Importance: Medium, Synonyms: same("min.insync.replicas"),
		Doc:  "How many replicas must be in sync for an append with acks=all to be taken.",
		bind: intAt(1, math.MaxInt32, func(t *Topic) *int32 { return &t.MinInsyncReplicas }),
	},
	{
		Name: "preallocate", Type: Bool, Default: "false", Importance: Medium, Synonyms: same("log.preallocate"),
		Doc:  "Whether a new segment's file is given its full size at once.",
		bind: boolAt(func(t *Topic) *bool { return &t.Preallocate }),
	},
	{
		Name: "remote.log.copy.disable", Type: Bool, Default: "false", Importance: Medium,
		Doc:  "Of Kafka's tiered storage; only the default is accepted.",
		bind: onlyDefault("false", noTiers),
	},
	{
		Name: "remote.log.delete.on.disable", Type: Bool, Default: "false", Importance: Medium,
		Doc:  "Of Kafka's tiered storage; only the default is accepted.",
		bind: onlyDefault("false", noTiers),
	},
	{
		Name: "remote.storage.enable", Type: Bool, Default: "false", Importance: Medium,
		Doc:  "Of Kafka's tiered storage; only the default is accepted.",
		bind: onlyDefault("false", noTiers),
	},
	{
		Name: "retention.bytes", Type: Long, Default: "-1", Importance: Medium, Synonyms: same("log.retention.bytes"),
		Doc: "How large a partition may grow before its oldest segments go, in bytes; 0: all goes at the next look, " +
			"below 0: without limit.",
		bind: intAt(math.MinInt64, math.MaxInt64, func(t *Topic) *int64 { return &t.RetentionBytes }), // Kafka takes any
	},
	{
		Name: "retention.ms", Type: Long, Default: "604800000", Importance: Medium,
		Synonyms: []BrokerName{
			{Name: "log.retention.ms", Unit: 1},
			{Name: "log.retention.minutes", Unit: msPerMinute},
			{Name: "log.retention.hours", Unit: msPerHour},
		},
		Doc:  "How long records are kept, in milliseconds; 0: all go at the next look, -1: for ever.",
		bind: intAt(-1, math.MaxInt64, func(t *Topic) *int64 { return &t.RetentionMs }),
	},
	{
		Name: "segment.bytes", Type: Int, Default: "1073741824", Importance: Medium, Synonyms: same("log.segment.bytes"),
		Doc:  "The size at which a new segment is begun, in bytes.",
		bind: intAt(minSegmentBytes, math.MaxInt32, func(t *Topic) *int64 { return &t.SegmentBytes }),
	},
	{
		Name: "segment.index.bytes", Type: Int, Default: "10485760", Importance: Low,
		Synonyms: same("log.index.size.max.bytes"),
		Doc:      "The largest size of a segment's index, in bytes.",
		bind:     intAt(4, math.MaxInt32, func(t *Topic) *int32 { return &t.SegmentIndexBytes }),
	},
	{
		Name: "segment.jitter.ms", Type: Long, Default: "0", Importance: Medium,
		Synonyms: []BrokerName{{Name: "log.roll.jitter.ms", Unit: 1}, {Name: "log.roll.jitter.hours", Unit: msPerHour}},
		Doc: "The most that is taken off segment.ms at random, so that segments do not all roll at once, in " +
			"milliseconds.",
		bind: intAt(0, math.MaxInt64, func(t *Topic) *int64 { return &t.SegmentJitterMs }),
	},
	{
		Name: "segment.ms", Type: Long, Default: "604800000", Importance: Medium,
		Synonyms: []BrokerName{{Name: "log.roll.ms", Unit: 1}, {Name: "log.roll.hours", Unit: msPerHour}},
		Doc:      "The age at which a new segment is begun, in milliseconds.",
		bind:     intAt(1, math.MaxInt64, func(t *Topic) *int64 { return &t.SegmentMs }),
	},
	{
		Name: "unclean.leader.election.enable", Type: Bool, Default: "false", Importance: Medium,
		Synonyms: same("unclean.leader.election.enable"),
		Doc:      "Always false: a leader that lost acknowledged records would also admit conflicting ones.",
		bind:     onlyDefault("false", "a leader that lost records could admit a conflicting write"),
	},

	{
		Name: "conflict.add.partitions", Type: String, Default: string(AddRefused), Importance: Medium,
		Synonyms: same("conflict.add.partitions"),
		Doc: "Whether partitions can be added to a topic that holds locks (allow) or not (refuse): a key that goes to " +
			"another partition leaves its locks behind.",
		bind: wordAt(func(t *Topic) *AddPartitions { return &t.AddPartitions }, AddRefused, AddAllowed),
	},
	{
		Name: "conflict.policy", Type: String, Default: string(ConflictOptional), Importance: High,
		Synonyms: same("conflict.policy"),
		Doc: "Whether records may (optional), must (required) or must not (off) have lock headers, which are then " +
			"judged; or whether the topic holds copies, " +
			"whose lock headers are stored as any others (carry). See conflict.carry.topics.",
		bind: wordAt(func(t *Topic) *ConflictPolicy { return &t.ConflictPolicy }, ConflictOptional, ConflictRequired,
			ConflictOff, ConflictCarry),
	},
	{
		Name: "lock.id.retention.ms", Type: Long, Default: "86400000", Importance: Medium,
		Synonyms: same("lock.id.retention.ms"),
		Doc:      "How long a lock-id is append-once at least, in milliseconds; -1: for ever.",
		bind:     intAt(-1, math.MaxInt64, func(t *Topic) *int64 { return &t.LockIDRetentionMs }),
	},
	{
		Name: "lock.retention.ms", Type: Long, Default: "-1", Importance: Medium, Synonyms: same("lock.retention.ms"),
		Doc: "How long the last writer of a lock is remembered at least, in milliseconds; -1: for ever. A request " +
			"whose basis is older than what is kept may be refused as UNKNOWN.",
		bind: intAt(-1, math.MaxInt64, func(t *Topic) *int64 { return &t.LockRetentionMs }),
	},
})

// minSegmentBytes is well below Kafka 4's 1 MiB, for tests and tiny disks.
const minSegmentBytes = 1024
