package settings

import (
	"fmt"
	"maps"
	"slices"
)

// TimestampType says whose clock a batch's timestamps are, numbered as in a batch's attributes.
type TimestampType int8

// The timestamp types.
const (
	CreateTime    TimestampType = 0
	LogAppendTime TimestampType = 1
)

// ConflictPolicy says whether a topic's records may or must carry lock headers.
type ConflictPolicy string

// The conflict policies.
const (
	ConflictOptional ConflictPolicy = "optional"
	ConflictRequired ConflictPolicy = "required"
	ConflictOff      ConflictPolicy = "off"
	ConflictCarry    ConflictPolicy = "carry"
)

// AddPartitions says whether partitions may be added to a topic that holds locks.
type AddPartitions string

// What conflict.add.partitions may be.
const (
	AddRefused AddPartitions = "refuse"
	AddAllowed AddPartitions = "allow"
)

// Topic is the settings that hold for one topic, typed. For times and sizes,
// -1 means without limit where the setting allows it.
type Topic struct {
	Delete  bool // cleanup.policy names delete; with neither all records are kept
	Compact bool // cleanup.policy names compact

	CompressionType string
	GzipLevel       int32
	LZ4Level        int32
	ZstdLevel       int32

	DeleteRetentionMs      int64
	FileDeleteDelayMs      int64
	FlushMessages          int64 // 1: an append is on disk before it is acknowledged
	FlushMs                int64
	IndexIntervalBytes     int32
	MaxCompactionLagMs     int64
	MaxMessageBytes        int32
	MinCleanableDirtyRatio float64
	MinCompactionLagMs     int64
	MinInsyncReplicas      int32
	Preallocate            bool
	RetentionBytes         int64
	RetentionMs            int64
	SegmentBytes           int64
	SegmentIndexBytes      int32
	SegmentJitterMs        int64
	SegmentMs              int64

	TimestampType        TimestampType
	TimestampBeforeMaxMs int64
	TimestampAfterMaxMs  int64

	LeaderThrottledReplicas   []string
	FollowerThrottledReplicas []string

	ConflictPolicy    ConflictPolicy
	AddPartitions     AddPartitions
	LockRetentionMs   int64
	LockIDRetentionMs int64
}

// Default is a topic without overrides on a broker without settings.
func Default() Topic {
	t, err := Parse(nil)
	if err != nil {
		panic(fmt.Sprintf("settings: a default is not valid: %v", err))
	}
	return t
}

// Parse gives the settings that hold for a topic with these overrides, on a
// broker with these layers, strongest first. Its error is an *Error or an
// *UnknownError.
func Parse(overrides map[string]string, layers ...Layer) (Topic, error) {
	var t Topic
	if err := known("topic", topicTable, overrides); err != nil {
		return t, err
	}
	for i := range topicTable {
		d := &topicTable[i]
		v := effective(d, overrides, layers)
		if err := d.bind(&t, v); err != nil {
			return t, d.refuse(v, err)
		}
	}
	return t, t.check()
}

// Validate refuses overrides that Parse would refuse.
func Validate(overrides map[string]string) error {
	_, err := Parse(overrides)
	return err
}

// check refuses settings that are good one by one and not together.
func (t *Topic) check() error {
	if t.MinCompactionLagMs > t.MaxCompactionLagMs {
		return &Error{
			Name:   "min.compaction.lag.ms",
			Value:  fmt.Sprint(t.MinCompactionLagMs),
			Reason: fmt.Sprintf("must not be above max.compaction.lag.ms, which is %d", t.MaxCompactionLagMs),
		}
	}
	return nil
}

// known refuses the first name, in order, that the table does not have.
func known(of string, table []Definition, values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, ok := find(table, name); !ok {
			return &UnknownError{Of: of, Name: name, Suggestion: nearest(table, name)}
		}
	}
	return nil
}
