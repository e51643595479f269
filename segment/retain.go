package segment

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// SetStart raises the log start offset durably, as DeleteRecords asks: nothing
// below o may be read any more, and segments that lie wholly below are
// dropped. Beyond the log's end it empties the log, which begins anew at o.
func (l *Log) SetStart(o protocol.Offset) error {
	if err := l.usable(); err != nil {
		return err
	}
	s := &l.w.state
	switch {
	case o <= s.start:
		return nil
	case o > s.end():
		return l.fail("set start", l.reset(o, o))
	case o == s.end() && s.active.size > 0:
		if err := l.rollIdle(); err != nil {
			return l.fail("set start", err)
		}
	}
	n := 0
	for n < len(s.sealed) && s.sealed[n].next <= o {
		n++
	}
	return l.fail("set start", l.drop(n, o))
}

// Retain drops the oldest segments that retention.ms and retention.bytes no
// longer keep, and returns the log start offset. Only whole segments go whose
// records are all below the given offset, the high watermark. An active segment
// that has expired is sealed first, as in Kafka.
func (l *Log) Retain(nowMs int64, below protocol.Offset) (protocol.Offset, error) {
	if err := l.usable(); err != nil {
		return l.Start(), err
	}
	n, err := l.expired(nowMs, below)
	if err != nil {
		return l.Start(), l.fail("retain", err)
	}
	if n == 0 {
		return l.Start(), nil
	}
	if err := l.Ready(); err != nil {
		return l.Start(), err
	}
	if n > len(l.w.state.sealed) {
		if err := l.rollIdle(); err != nil {
			return l.Start(), l.fail("retain", err)
		}
	}
	start := max(l.w.state.start, l.w.state.sealed[n-1].next)
	return start, l.fail("retain", l.drop(n, start))
}

// expired is the number of segments, from the oldest, that need not be kept.
func (l *Log) expired(nowMs int64, below protocol.Offset) (n int, err error) {
	s, cfg := &l.w.state, &l.w.cfg
	keepBytes, bounded := cfg.RetentionBytes.Get()
	excess := s.bytes() - keepBytes
	for ; n <= len(s.sealed); n++ {
		x := s.extent(n)
		if x.next > below || x.size == 0 {
			return n, nil
		}
		tooMuch := bounded && excess >= x.size
		if !tooMuch {
			old, err := l.tooOld(x, nowMs)
			if err != nil || !old {
				return n, err
			}
		}
		excess -= x.size
	}
	return n, nil
}

// tooOld compares the newest record's time, or the file's where records have
// none, with retention.ms.
func (l *Log) tooOld(x *extent, nowMs int64) (bool, error) {
	keepMs, bounded := l.w.cfg.RetentionMs.Get()
	if !bounded {
		return false, nil
	}
	newest, err := l.newestMs(x)
	return nowMs-newest > keepMs, err
}

// newestMs is the time of a segment's newest record: the greatest timestamp,
// or when it was written where records have none.
func (l *Log) newestMs(x *extent) (int64, error) {
	if x.maxTime >= 0 {
		return x.maxTime, nil
	}
	return l.writtenMs(x)
}

// writtenMs is when a segment's newest record was appended, at the latest, by
// the clock of this machine.
func (l *Log) writtenMs(x *extent) (int64, error) {
	if x.writtenMs >= 0 {
		return x.writtenMs, nil
	}
	info, err := l.fs.Stat(l.logPath(x.segment))
	if err != nil {
		return 0, err
	}
	return info.ModTime().UnixMilli(), nil
}

// rollIdle is roll for a log that may not have been written to yet.
func (l *Log) rollIdle() error {
	if err := l.begin(l.fs); err != nil {
		return err
	}
	return l.roll(l.w.state.end())
}

// drop takes the n oldest segments away; the log starts at start. The manifest
// goes first: files that are left behind by a crash are older than the log.
func (l *Log) drop(n int, start protocol.Offset) error {
	s := &l.w.state
	gone := s.sealed[:n]
	s.setSealed(slices.Clone(s.sealed[n:]))
	s.start = start
	s.epochs = s.epochs.from(start)
	s.generation++
	if err := l.persist(); err != nil {
		return err
	}
	l.publish()
	for _, x := range gone {
		if err := l.removeSegment(x.segment); err != nil {
			return err
		}
	}
	return nil
}

// Expires reports whether Retain would drop anything now: whoever must save
// what it derived from the oldest segments does so only when they are to go.
func (l *Log) Expires(nowMs int64, below protocol.Offset) (bool, error) {
	if err := l.usable(); err != nil {
		return false, err
	}
	n, err := l.expired(nowMs, below)
	return n > 0, err
}
