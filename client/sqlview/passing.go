package sqlview

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
)

// Passing reports whether an error is one of the moment, not of the statement:
// a connection that broke, a transaction that lost against another, a database
// that is starting, stopping, full or busy. It knows SQLSTATE, which drivers of
// PostgreSQL have on their errors as SQLState, and SQLite's result codes.
func Passing(err error) bool {
	var network net.Error
	var state interface{ SQLState() string }
	var code interface{ Code() int }
	switch {
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		return true
	case errors.As(err, &state):
		return passingState(state.SQLState())
	case errors.As(err, &code):
		return passingCode(code.Code())
	default:
		return errors.As(err, &network)
	}
}

// passingState judges by the class, the first two characters of SQLSTATE (ISO
// 9075), and PostgreSQL's table of them.
func passingState(state string) bool {
	if len(state) < 2 {
		return false
	}
	switch state[:2] {
	case "08", // connection exception
		"40", // transaction rollback: serialization failure, deadlock
		"53", // insufficient resources
		"55", // object not in the needed state: a lock not to be had
		"57", // operator intervention: shutdown, crash, cannot connect now
		"58": // system error: I/O
		return true
	}
	return state == "25006" // read-only: a standby, until it is promoted
}

// passingCode judges by SQLite's primary result code, the lowest byte.
func passingCode(code int) bool {
	switch code & 0xff {
	case 5, 6, 9, 10, 13, 14: // BUSY, LOCKED, INTERRUPT, IOERR, FULL, CANTOPEN
		return true
	}
	return false
}
