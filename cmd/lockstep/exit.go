package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/protocol"
)

// The exit codes that scripts rely on.
const (
	exitDone    = 0
	exitError   = 1
	exitUsage   = 2
	exitRefused = 3
)

// usageError is a command that was typed wrongly.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd, fmt.Errorf(format, args...)}
}

// refusedError is an append that the broker judged and refused. Its text is
// the broker's own, to the letter, because programs parse it.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// toldError is an error that was told already.
type toldError struct{ err error }

func (e *toldError) Error() string { return e.err.Error() }
func (e *toldError) Unwrap() error { return e.err }

// errNegative is a result that is itself the message, such as an unhealthy
// cluster: it ends with exit code 1, and what it was joined with is all that is
// printed.
var errNegative = errors.New("negative result")

// shown is an error for a person. It may hold what a client chose, or a stranger
// that listens where a broker should.
func shown(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = protocol.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// report prints err for a person and returns the exit code that stands for it.
func report(w io.Writer, err error) int {
	var refused *refusedError
	var usage *usageError
	var told *toldError
	if errors.As(err, &told) {
		return report(io.Discard, told.err)
	}
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &refused):
		fmt.Fprintln(w, refused.text)
		return exitRefused
	case errors.As(err, &usage):
		fmt.Fprintf(w, "%s: %s\nRun '%s --help' for its usage.\n", usage.cmd.CommandPath(), shown(err), usage.cmd.CommandPath())
		return exitUsage
	case errors.Is(err, errUnknownResult): // also if that is so because it was interrupted
		fmt.Fprintln(w, "lockstep:", shown(err))
		return exitError
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(w, "lockstep: interrupted")
		return exitError
	default:
		tell(w, err)
		return exitError
	}
}

// tell says what of err is not said already.
func tell(w io.Writer, err error) {
	lines := slices.DeleteFunc(strings.Split(shown(err), "\n"), func(line string) bool { return line == errNegative.Error() })
	if len(lines) > 0 {
		fmt.Fprintln(w, "lockstep:", strings.Join(lines, "\n"))
	}
}
