package record

import (
	"errors"
	"fmt"
)

// Kind says what is wrong with a batch, so that a caller can choose an answer.
type Kind uint8

const (
	// Truncated: the bytes end before the batch does. At the end of a log it is
	// a torn tail, from a client it is CORRUPT_MESSAGE (2).
	Truncated Kind = iota + 1
	// Corrupt: the bytes are not what their writer wrote, or never were a
	// batch; CORRUPT_MESSAGE (2).
	Corrupt
	// Invalid: the bytes arrived whole and break a rule; INVALID_RECORD (87).
	Invalid
	// TooLarge: a limit is exceeded; MESSAGE_TOO_LARGE (10).
	TooLarge
	// UnsupportedCodec: no such codec; UNSUPPORTED_COMPRESSION_TYPE (76).
	UnsupportedCodec
	// InvalidTimestamp: no producer may send such a time; INVALID_TIMESTAMP (32).
	InvalidTimestamp
	// UnsupportedFormat: magic 0 or 1; UNSUPPORTED_FOR_MESSAGE_FORMAT (43).
	UnsupportedFormat
	// NoTransaction: of a transaction, and of no producer; INVALID_TXN_STATE (48).
	NoTransaction
)

var kindNames = [...]string{"no error", "truncated", "corrupt", "invalid", "too large",
	"unsupported codec", "invalid timestamp", "unsupported format", "of no transaction"}

func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return kindNames[k]
}

// Error is why a batch was refused.
type Error struct {
	Kind Kind
	Text string // for people: what is wrong and by how much
	Err  error  // what a decompressor said, or nil
}

// Error names the kind, so that a log line can be searched for it.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s batch: %s: %v", e.Kind, e.Text, e.Err)
	}
	return fmt.Sprintf("%s batch: %s", e.Kind, e.Text)
}

// Unwrap yields the decompressor's own error.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of an error from this package, wrapped or not, and 0 for
// any other.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

func refuse(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}
