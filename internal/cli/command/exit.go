package command

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
	ExitDone    = 0
	ExitError   = 1
	ExitUsage   = 2
	exitRefused = 3
)

// usageError is a command that was typed wrongly.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Usagef is the error of a command that was typed wrongly: exit code 2.
func Usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd, fmt.Errorf(format, args...)}
}

// RefusedError is an append that the broker judged and refused. Its text is
// the broker's own, to the letter, because programs parse it.
type RefusedError struct{ Text string }

// Error is the broker's text.
func (e *RefusedError) Error() string { return e.Text }

// reportedError is an error that was printed already.
type reportedError struct{ err error }

// Reported marks an error as reported: it is not printed again.
func Reported(err error) error { return &reportedError{err} }

func (e *reportedError) Error() string { return e.err.Error() }
func (e *reportedError) Unwrap() error { return e.err }

// ErrNegative is a result that is itself the message, such as an unhealthy
// cluster: it ends with exit code 1, and what it was joined with is all that is
// printed.
var ErrNegative = errors.New("negative result")

// Printable is an error as it may be printed. It may hold what a client chose, or
// whoever listens where a broker should.
func Printable(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = protocol.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Report prints err for a person and returns the exit code that stands for it.
func Report(w io.Writer, err error) int {
	var refused *RefusedError
	var usage *usageError
	var done *reportedError
	if errors.As(err, &done) {
		return Report(io.Discard, done.err)
	}
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &refused):
		fmt.Fprintln(w, refused.Text)
		return exitRefused
	case errors.As(err, &usage):
		fmt.Fprintf(w, "%s: %s\nRun '%s --help' for its usage.\n", usage.cmd.CommandPath(), Printable(err),
			usage.cmd.CommandPath())
		return ExitUsage
	case errors.Is(err, ErrUnknownResult): // also if that is so because it was interrupted
		fmt.Fprintln(w, "lockstep:", Printable(err))
		return ExitError
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(w, "lockstep: interrupted")
		return ExitError
	default:
		printError(w, err)
		return ExitError
	}
}

// printError prints what of err is not printed already.
func printError(w io.Writer, err error) {
	lines := slices.DeleteFunc(strings.Split(Printable(err), "\n"),
		func(line string) bool { return line == ErrNegative.Error() })
	if len(lines) > 0 {
		fmt.Fprintln(w, "lockstep:", strings.Join(lines, "\n"))
	}
}

// ErrUnknownResult is an append of which nobody can say whether it is in the
// log.
var ErrUnknownResult = errors.New("the append may or may not be in the log")
