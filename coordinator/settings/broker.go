package settings

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Broker is the settings of one broker that can be altered while it runs, typed.
// What topics have of it is in Topic.
type Broker struct {
	BackgroundThreads     int32
	CarryTopics           string // see CarryTopicsOf
	CleanerBackoffMs      int64
	CleanerBytesPerSecond float64
	CleanerDedupeBytes    int64 // over all CleanerThreads
	CleanerThreads        int32
	ConnectionsMax        int32
	LeaderThrottledRate   int64 // bytes a second; Unthrottled: as many as there are
	FollowerThrottledRate int64 // the same
	ProducerIDMs          int64
	RecoveryThreads       int32
}

// CleanerBackoff is CleanerBackoffMs, or the longest time that there is.
func (b *Broker) CleanerBackoff() time.Duration {
	const most = int64(math.MaxInt64 / time.Millisecond)
	return time.Duration(min(b.CleanerBackoffMs, most)) * time.Millisecond
}

// Unthrottled is a rate without a bound.
const Unthrottled int64 = -1

// ParseBroker gives the settings that hold on a broker with these layers, strongest
// first. A value that does not parse counts as the default, and is an error as well.
func ParseBroker(layers ...Layer) (Broker, error) {
	b := Broker{LeaderThrottledRate: Unthrottled, FollowerThrottledRate: Unthrottled}
	var errs []error
	for i := range brokerTable {
		d := &brokerTable[i]
		v := resolveBroker(d, layers)
		if d.bindBroker == nil || v.Unset {
			continue
		}
		err := d.bindBroker(&b, v.Value)
		if err == nil {
			continue
		}
		errs = append(errs, d.refuse(v.Value, err))
		if !d.NoDefault {
			if err := d.bindBroker(&b, d.Default); err != nil {
				panic(fmt.Sprintf("settings: a default is not valid: %v", d.refuse(d.Default, err)))
			}
		}
	}
	return b, errors.Join(errs...)
}

// FollowerThrottledRate is that setting alone.
func FollowerThrottledRate(layers ...Layer) int64 {
	return brokerNumber("follower.replication.throttled.rate", layers, Unthrottled)
}
