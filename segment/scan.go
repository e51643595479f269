package segment

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Scan calls fn for every batch with an offset at or above from that lies
// wholly below the bound, in order, each as its file has it and checked. The batch is good for the
// call only. An error of fn ends the scan and is returned.
func (l *Log) Scan(from, below protocol.Offset, fn func(record.Batch) error) error {
	for from < below {
		r, err := l.readFile(from, below, segmentBytesMax, true)
		if err != nil {
			return err
		}
		if r.Len() == 0 {
			return nil
		}
		err = r.each(fn)
		r.Close()
		if err != nil {
			return err
		}
		from = r.NextOffset()
	}
	return nil
}
