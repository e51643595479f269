package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Numbered is the value of a producer's n-th record. Numbers begin at 0.
func Numbered(producer string, n int) string { return producer + " " + strconv.Itoa(n) }

// Sequence finds records of numbered producers that are missing in the middle or
// out of order. Producers that gave up on a record are not judged.
func (l *Log) Sequence(producer string) []string {
	next := 0
	for _, r := range l.Records {
		who, number, _ := strings.Cut(r.Value, " ")
		if who != producer {
			continue
		}
		if n, err := strconv.Atoi(number); err != nil || n != next {
			return []string{fmt.Sprintf("%v: at offset %d %q stands where number %d should", l.At, r.Offset, r.Value, next)}
		}
		next++
	}
	return nil
}

// RealTime finds an append that was sent after another was acknowledged, and
// lies before it.
func (l *Log) RealTime(history []Append) []string {
	var acked []Append
	for _, a := range history {
		if a.At == l.At && a.Outcome == Acked {
			acked = append(acked, a)
		}
	}
	byReturn := slices.Clone(acked)
	slices.SortFunc(acked, func(a, b Append) int { return int(a.Invoked - b.Invoked) })
	slices.SortFunc(byReturn, func(a, b Append) int { return int(a.Returned - b.Returned) })
	var before *Append // the highest of those that had returned
	for _, a := range acked {
		for len(byReturn) > 0 && byReturn[0].Returned < a.Invoked {
			if before == nil || byReturn[0].Offset > before.Offset {
				before = &byReturn[0]
			}
			byReturn = byReturn[1:]
		}
		if before != nil && a.Offset < before.Offset {
			return []string{fmt.Sprintf("%v: %q went to offset %d, though %q had been acknowledged at offset %d before it was sent",
				l.At, a.Values[0], a.Offset, before.Values[0], before.Offset)}
		}
	}
	return nil
}
