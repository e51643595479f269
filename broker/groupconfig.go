package broker

import (
	"fmt"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/group"
)

// GroupConfig says how consumer groups are kept. The zero value of a field is
// its default.
type GroupConfig struct {
	// OffsetsPartitions is how many partitions the offsets topic is made with. Default 50.
	OffsetsPartitions int32
	// OffsetsReplicas is how many replicas it is made with, or as many as there
	// are brokers, if they are fewer. Default 3.
	OffsetsReplicas int16
	// InitialRebalanceDelay is how long an empty group waits for more members after
	// each that came. Default 500 ms, where Kafka has 3 s; negative is none.
	InitialRebalanceDelay time.Duration
	SessionMin            time.Duration // default 6 s
	SessionMax            time.Duration // default 30 min
	MembersMax            int           // of one group; default 10,000
	MetadataBytesMax      int           // of one offset; default 4,096
	CommitTimeout         time.Duration // for a write to be committed, before its client is told to come again; default 5 s
	OffsetsRetention      time.Duration // default 7 days
	OffsetsRetentionCheck time.Duration // default 10 min
}

func (c GroupConfig) withDefaults() GroupConfig {
	orDefault(&c.OffsetsPartitions, 50)
	orDefault(&c.OffsetsReplicas, 3)
	orDefault(&c.InitialRebalanceDelay, 500*time.Millisecond)
	orDefault(&c.SessionMin, 6*time.Second)
	orDefault(&c.SessionMax, 30*time.Minute)
	orDefault(&c.MembersMax, 10_000)
	orDefault(&c.MetadataBytesMax, 4096)
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
	case c.MembersMax < 1 || c.MetadataBytesMax < 0 || c.CommitTimeout <= 0 || c.OffsetsRetention <= 0 || c.OffsetsRetentionCheck <= 0:
		return fmt.Errorf("a limit of consumer groups is not positive: %+v", c)
	}
	return nil
}

// rules are the same for the coordinators.
func (c GroupConfig) rules() group.Config {
	return group.Config{
		SessionMinMs: c.SessionMin.Milliseconds(), SessionMaxMs: c.SessionMax.Milliseconds(),
		InitialDelayMs: max(0, c.InitialRebalanceDelay.Milliseconds()),
		MembersMax:     c.MembersMax, MetadataBytesMax: c.MetadataBytesMax,
		RetentionMs: c.OffsetsRetention.Milliseconds(), RetentionCheckMs: c.OffsetsRetentionCheck.Milliseconds(),
	}
}
