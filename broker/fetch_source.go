package broker

import (
	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/segment"
)

// openLog is the log of a partition that is open here, as readers read it.
type openLog struct{ *partition }

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

// NoteDamage implements fetching.RecordSource.
func (l openLog) NoteDamage(err error) { l.damaged(err) }

// wholeLog is what can be read of a damaged log: see whole.go.
type wholeLog struct{ *segment.Log }

// Below implements fetching.RecordSource: nothing is written any more.
func (l wholeLog) Below(fetching.Bound) protocol.Offset { return l.End() }

// Read implements fetching.RecordSource.
func (l wholeLog) Read(from, below protocol.Offset, maxBytes int, atLeastOne bool) (fetching.Records, error) {
	return readLog(l.Log, from, below, maxBytes, atLeastOne)
}

// NoteDamage implements fetching.RecordSource: the log is known to be damaged.
func (l wholeLog) NoteDamage(error) {}

func readLog(log *segment.Log, from, below protocol.Offset, maxBytes int, atLeastOne bool) (fetching.Records, error) {
	r, err := log.Read(from, below, maxBytes, atLeastOne)
	if err != nil {
		return nil, err
	}
	return r, nil
}
