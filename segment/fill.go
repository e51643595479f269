package segment

import "github.com/lockstep-log/lockstep/protocol/record"

// A sync after a write that makes the file longer has to journal the file's
// new size; after a write into zeros that are there already it has not, and
// takes half the time. So where small groups are synced one by one, zeros are
// written ahead of them. Recovery takes zeros for the end; closing a segment
// cuts them off. Reserving space without writing it (fallocate) was measured
// and gains nothing: the first write then has to mark the blocks as written.
const (
	// fillBelow: a group of this size or more pays for its own journal entry,
	// and would pay twice for its bytes.
	fillBelow = 64 << 10
	// fillAfter is how many small groups in a row show what the log is used for.
	fillAfter = 8
	// Each fill is as long as what was written so far, within these bounds.
	fillMin, fillMax = 64 << 10, 1 << 20
)

// zeros is what is written ahead; nobody writes to it.
var zeros [64 << 10]byte

// fillAhead writes zeros for the batches, and those to come, if that pays. On a
// full disk it does not: what room there is is the batches'.
func (l *Log) fillAhead(batches []record.Batch) error {
	w := &l.w
	end := w.written
	for _, b := range batches {
		end += int64(b.Size())
	}
	if w.smallSyncs < fillAfter || end <= w.filled || end-w.written >= fillBelow {
		return nil
	}
	target := min(end+min(max(w.written, fillMin), fillMax), w.cfg.SegmentBytes)
	for pos := max(w.filled, w.written); pos < target; {
		n, err := w.file.WriteAt(zeros[:min(int64(len(zeros)), target-pos)], pos)
		pos += int64(n)
		w.filled = max(w.filled, pos)
		if ShortOfSpace(err) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// countSync looks at how much the sync that just ended was for.
func (l *Log) countSync() {
	if l.w.sinceSync < fillBelow {
		l.w.smallSyncs = min(l.w.smallSyncs+1, fillAfter)
	} else {
		l.w.smallSyncs = 0
	}
	l.w.sinceSync = 0
}
