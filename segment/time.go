package segment

import (
	"cmp"
	"math"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// OffsetForTime finds the first record of the log with a timestamp of at least
// ts: its offset, its timestamp and its leader epoch. There may be none. Markers of
// transactions are no records that anybody asks for.
func (l *Log) OffsetForTime(ts int64) (o protocol.Offset, at int64, epoch protocol.LeaderEpoch, ok bool, err error) {
	return l.retrying(func(s *snapshot) (found, error) {
		for i := s.find(s.start); i <= len(s.sealed); i++ {
			x := s.extent(i)
			if x.maxTime < ts {
				continue
			}
			f, err := l.timeIn(s, x, ts)
			if err != nil || f.ok {
				return f, err
			}
		}
		return found{}, nil
	})
}

// MaxTimestamp finds the first record that has the greatest timestamp.
func (l *Log) MaxTimestamp() (o protocol.Offset, at int64, epoch protocol.LeaderEpoch, ok bool, err error) {
	return l.retrying(func(s *snapshot) (best found, err error) {
		for _, x := range byMaxTime(s) {
			if best.ok && x.maxTime < best.time {
				break
			}
			f, err := l.maxTimeIn(s, x)
			if err != nil {
				return found{}, err
			}
			if f.ok && (!best.ok || f.time > best.time || f.time == best.time && f.offset < best.offset) {
				best = f
			}
		}
		return best, nil
	})
}

// byMaxTime is the segments that have timestamps, the newest time first.
func byMaxTime(s *snapshot) []*extent {
	var out []*extent
	for i := range len(s.sealed) + 1 {
		if x := s.extent(i); x.maxTime >= 0 {
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b *extent) int { return cmp.Compare(b.maxTime, a.maxTime) })
	return out
}

// maxTimeIn finds the record of x. Where the one with the segment's greatest
// timestamp was deleted or left out of its batch, all batches are looked into
// whose header promises more than was found.
func (l *Log) maxTimeIn(s *snapshot, x *extent) (best found, err error) {
	best, err = l.timeIn(s, x, x.maxTime)
	if err != nil || best.ok || x.size == 0 {
		return best, err
	}
	r, err := l.open(s, x, place{next: x.base}, place{pos: x.size, next: x.next})
	if err != nil {
		return found{}, err
	}
	defer r.Close()
	least := int64(math.MinInt64)
	err = r.each(func(b record.Batch) error {
		for b.MaxTimestamp() >= least {
			f, err := firstAtTime(b, least, s.start)
			if err != nil || !f.ok {
				return err
			}
			best, least = f, f.time+1
		}
		return nil
	})
	return best, err
}

// found is a record, by its time.
type found struct {
	offset protocol.Offset
	time   int64
	epoch  protocol.LeaderEpoch
	ok     bool
}

func (l *Log) retrying(
	look func(*snapshot) (found, error),
) (protocol.Offset, int64, protocol.LeaderEpoch, bool, error) {
	for {
		if l.closed.Load() {
			return 0, 0, -1, false, ErrClosed
		}
		s := l.snap.Load()
		f, err := look(s)
		if err == nil || !l.changed(s) {
			return f.offset, f.time, f.epoch, f.ok, err
		}
	}
}

// timeIn finds the first readable record of x with a timestamp of at least ts.
func (l *Log) timeIn(s *snapshot, x *extent, ts int64) (found, error) {
	e, _, err := l.lookup(s, x, 0.5, func(e entry) bool { return e.maxTime < ts })
	if err != nil {
		return found{}, err
	}
	from := e.place()
	for {
		at, err := l.walk(s, x, from, func(_ int64, h header) bool {
			return h.maxTime >= ts && h.last >= s.start
		})
		if err != nil || at.head.size == 0 {
			return found{}, err
		}
		end := place{pos: at.pos + at.head.size, next: at.head.next()}
		f, err := l.timeInBatch(s, x, at, end, ts)
		if err != nil || f.ok {
			return f, err
		}
		from = end
	}
}

func (l *Log) timeInBatch(s *snapshot, x *extent, at, end place, ts int64) (f found, err error) {
	r, err := l.open(s, x, at, end)
	if err != nil {
		return found{}, err
	}
	defer r.Close()
	err = r.each(func(b record.Batch) error {
		f, err = firstAtTime(b, ts, s.start)
		return err
	})
	return f, err
}

// firstAtTime looks for the record inside of the batch.
func firstAtTime(b record.Batch, ts int64, start protocol.Offset) (found, error) {
	if b.Control() {
		return found{}, nil
	}
	records, err := b.Open(record.Limits{})
	if err != nil {
		return found{}, err
	}
	defer records.Release()
	for w := records.Walk(); w.Next(); {
		o, at := b.BaseOffset()+protocol.Offset(w.OffsetDelta), b.FirstTimestamp()+w.TimestampDelta
		if b.LogAppendTime() {
			at = b.MaxTimestamp()
		}
		if at >= ts && o >= start {
			return found{offset: o, time: at, epoch: b.LeaderEpoch(), ok: true}, nil
		}
	}
	return found{}, nil
}
