package segment

import (
	"math"

	"github.com/lockstep-log/lockstep/protocol"
)

// Config is what an operator may set. The names and meanings are those of
// Kafka's topic settings. Where a number has a default, 0 means it: none of
// those may be 0 in a topic, or it is the same as 1.
type Config struct {
	// SegmentBytes bounds a segment file (segment.bytes). Default 1 GiB. A batch
	// that is larger gets a segment of its own.
	SegmentBytes int64
	// SegmentMs bounds the time that one segment spans (segment.ms). Default 7 days.
	SegmentMs int64
	// IndexIntervalBytes is the least distance between two entries of the index
	// (index.interval.bytes). Default 4096.
	IndexIntervalBytes int64
	// RetentionMs is how long records are kept (retention.ms). Default: for ever.
	RetentionMs protocol.Limit
	// RetentionBytes is how much of the log is kept (retention.bytes). Default: all.
	RetentionBytes protocol.Limit
	// Files is the cache of open files that many logs share. Read once, by
	// Open. Default: a cache of this log's own.
	Files *Files
}

const day = 24 * 60 * 60 * 1000

const (
	defaultSegmentBytes       = 1 << 30
	defaultSegmentMs          = 7 * day
	defaultIndexIntervalBytes = 4096

	// segmentBytesMax keeps every position within 31 bits.
	segmentBytesMax = math.MaxInt32
)

func (c Config) withDefaults() Config {
	c.SegmentBytes = min(orDefault(c.SegmentBytes, defaultSegmentBytes), segmentBytesMax)
	c.SegmentMs = orDefault(c.SegmentMs, defaultSegmentMs)
	c.IndexIntervalBytes = orDefault(c.IndexIntervalBytes, defaultIndexIntervalBytes)
	return c
}

func orDefault(v, d int64) int64 {
	if v == 0 {
		return d
	}
	return v
}
