package check

import "fmt"

// Acks holds what writers were told against the log: what was acknowledged is at
// its offset, what was refused or failed is nowhere, and the records of one
// append are all there, side by side, or none is.
func (l *Log) Acks(history []Append) []string {
	var wrong []string
	for _, a := range history {
		if a.At == l.At {
			wrong = append(wrong, l.told(&a)...)
		}
	}
	return wrong
}

func (l *Log) told(a *Append) []string {
	var wrong []string
	complain := func(format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%v: %s ", l.At, a.Writer)+fmt.Sprintf(format, args...))
	}
	first, there := l.Where(a.Values[0])
	for i, v := range a.Values {
		at, ok := l.Where(v)
		switch {
		case a.Outcome == Acked && !ok:
			complain("was told that %q is at offset %d; it is not in the log", v, a.Offset+int64(i))
		case a.Outcome == Acked && at != a.Offset+int64(i):
			complain("was told that %q is at offset %d; it is at %d", v, a.Offset+int64(i), at)
		case a.Outcome == Refused && ok:
			complain("was refused %q, which is at offset %d", v, at)
		case a.Outcome == Failed && ok:
			complain("was told that %q failed (%s); it is at offset %d", v, a.Said, at)
		case ok != there || (ok && at != first+int64(i)):
			complain("appended %q as one; they are torn apart", a.Values)
		}
	}
	return wrong
}
