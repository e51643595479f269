package check

import "fmt"

// Reader is what one reader of a partition has been given, from the log's start
// on.
type Reader struct {
	Name  string
	given int // records
}

// Reads holds what a reader was given next, in its order, against the log: every
// record that there is, each once. The log must be read that far.
func (l *Log) Reads(r *Reader, readings []Reading) []string {
	for _, got := range readings {
		if r.given == len(l.Records) {
			return []string{fmt.Sprintf("%v: %s was given %q at offset %d, where the log has ended", l.At, r.Name, got.Value, got.Offset)}
		}
		if due := l.Records[r.given]; due.Offset != got.Offset || due.Value != got.Value {
			return []string{fmt.Sprintf("%v: %s was given %q at offset %d, where %q at offset %d was due", l.At, r.Name, got.Value, got.Offset, due.Value, due.Offset)}
		}
		r.given++
	}
	return nil
}

// Ends is what a reader was told of a partition's end, one after the other.
type Ends struct {
	At      Place
	highest int64
}

// See takes the next one in. acked is the highest offset that had been
// acknowledged to anybody before the question was asked.
func (e *Ends) See(end, acked int64) []string {
	var wrong []string
	if end < e.highest {
		wrong = append(wrong, fmt.Sprintf("%v: its end was %d and then %d", e.At, e.highest, end))
	}
	if end <= acked {
		wrong = append(wrong, fmt.Sprintf("%v: its end was told as %d after offset %d had been acknowledged", e.At, end, acked))
	}
	e.highest = max(e.highest, end)
	return wrong
}
