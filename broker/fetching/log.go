package fetching

import (
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/segment"
)

// Log is the log of a partition that is open here, as readers read it.
type Log struct{ *partitions.Partition }

// Below implements RecordSource.
func (l Log) Below(bound Bound) protocol.Offset {
	switch bound {
	case LogEnd:
		return l.End()
	case Stable:
		return l.LastStable()
	default:
		return l.HighWatermark()
	}
}

// Read implements RecordSource.
func (l Log) Read(from, below protocol.Offset, maxBytes int, atLeastOne bool) (Records, error) {
	return ReadLog(l.Log(), from, below, maxBytes, atLeastOne)
}

// ReadLog is Log.Read of any log.
func ReadLog(log *segment.Log, from, below protocol.Offset, maxBytes int, atLeastOne bool) (Records, error) {
	r, err := log.Read(from, below, maxBytes, atLeastOne)
	if err != nil {
		return nil, err
	}
	return r, nil
}
