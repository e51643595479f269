package invariant

import "fmt"

// Check panics with the text when ok is false.
func Check(ok bool, format string, args ...any) {
	if !ok {
		panic(Violation(fmt.Sprintf(format, args...)))
	}
}

// Violation is what Check panics with, so that a recover can tell a broken
// invariant from any other panic.
type Violation string

// Error is the text.
func (v Violation) Error() string { return "invariant violated: " + string(v) }
