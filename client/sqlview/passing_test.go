package sqlview

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
)

type stateError string

func (e stateError) Error() string    { return string(e) }
func (e stateError) SQLState() string { return string(e) }

type codeError int

func (e codeError) Error() string { return fmt.Sprint(int(e)) }
func (e codeError) Code() int     { return int(e) }

// TestErrorsOfTheMomentAreToldFromThoseOfTheStatement.
func TestErrorsOfTheMomentAreToldFromThoseOfTheStatement(t *testing.T) {
	for _, c := range []struct {
		err     error
		passing bool
	}{
		{driver.ErrBadConn, true},
		{io.ErrUnexpectedEOF, true},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
		{context.DeadlineExceeded, true},
		{stateError("40001"), true},  // serialization failure
		{stateError("40P01"), true},  // deadlock
		{stateError("57P03"), true},  // starting up
		{stateError("25006"), true},  // a standby
		{stateError("25P02"), false}, // the transaction has failed before
		{stateError("23505"), false}, // unique violation
		{stateError("42P01"), false}, // no such table
		{stateError(""), false},
		{codeError(5), true},             // SQLITE_BUSY
		{codeError(5 | 2<<8), true},      // SQLITE_BUSY_SNAPSHOT
		{codeError(13), true},            // SQLITE_FULL
		{codeError(19 | 8<<8), false},    // SQLITE_CONSTRAINT_UNIQUE
		{codeError(1), false},            // SQLITE_ERROR
		{errors.New("overdrawn"), false}, // the application's own
	} {
		if got := Passing(fmt.Errorf("insert: %w", c.err)); got != c.passing {
			t.Errorf("%T %v: passing is %v", c.err, c.err, got)
		}
	}
}
