package segment

import "github.com/lockstep-log/lockstep/protocol"

// Expires reports whether Retain would drop anything now: whoever must save
// what it derived from the oldest segments does so only when they are to go.
func (l *Log) Expires(nowMs int64, below protocol.Offset) (bool, error) {
	if err := l.usable(); err != nil {
		return false, err
	}
	n, err := l.expired(nowMs, below)
	return n > 0, err
}
