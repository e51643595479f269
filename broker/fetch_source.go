package broker

import (
	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/segment"
)

// openLog is the log of a partition that is open here, as readers read it.
type openLog struct{ *partitions.Partition }

// Below implements fetching.RecordSource. There are no transactions yet: what is
// committed is stable.
func (l openLog) Below(bound fetching.Bound) protocol.Offset {
	if bound == fetching.LogEnd {
		return l.End()
	}
	return l.HighWatermark()
}

// Read implements fetching.RecordSource.
func (l openLog) Read(from, below protocol.Offset, maxBytes int, atLeastOne bool) (fetching.Records, error) {
	return readLog(l.Log(), from, below, maxBytes, atLeastOne)
}

// prefixLog is what can be read of a damaged log: see prefix.go.
type prefixLog struct{ *segment.Log }

// Below implements fetching.RecordSource: nothing is written any more.
func (l prefixLog) Below(fetching.Bound) protocol.Offset { return l.End() }

// Read implements fetching.RecordSource.
func (l prefixLog) Read(from, below protocol.Offset, maxBytes int, atLeastOne bool) (fetching.Records, error) {
	return readLog(l.Log, from, below, maxBytes, atLeastOne)
}

// NoteDamage implements fetching.RecordSource: the log is known to be damaged.
func (l prefixLog) NoteDamage(error) {}

func readLog(log *segment.Log, from, below protocol.Offset, maxBytes int, atLeastOne bool) (fetching.Records, error) {
	r, err := log.Read(from, below, maxBytes, atLeastOne)
	if err != nil {
		return nil, err
	}
	return r, nil
}
