package client

import (
	"errors"

	"github.com/lockstep-log/lockstep/protocol"
)

var (
	// ErrConflict is every refusal that reading on and deciding again cures:
	// CONFLICT, and UNKNOWN, which may be one.
	ErrConflict = errors.New("conflict")
	// ErrMalformed is a mistake of the program that made the append.
	ErrMalformed = errors.New("malformed lock request")
	// ErrDuplicate: the append's id was used before with other content.
	ErrDuplicate = errors.New("lock-id used before with other content")
	// ErrUnsupported: the brokers are not Lockstep, or too old.
	ErrUnsupported = errors.New("the broker does not judge lock requests (feature conflict.version 1)")
	// ErrUnknownResult: the append may or may not be in the log. Appending again
	// with the same Cond.ID and the same content tells the truth.
	ErrUnknownResult = errors.New("the append may or may not be in the log")
	// ErrLogCut: records that a view or fold would have to apply were removed from
	// the log, by retention or by request. A state without them would be wrong.
	ErrLogCut = errors.New("the log was cut")
	// ErrClosed: the client or view was closed.
	ErrClosed = errors.New("closed")
)

// Interruption is the end of an append whose context ended, or whose client was
// closed, before its outcome was known. errors.Is knows the context's error or
// ErrClosed by it, and ErrUnknownResult if the append was sent.
type Interruption struct {
	Err error // the context's error, or ErrClosed
	// Last is why it was not done by then: the last failure on its way, a broker's answer
	// or the lack of one; nil if there was none.
	Last error
	Sent bool // it may be in the log
}

// Error says what is known, and the last failure.
func (i *Interruption) Error() string {
	text := i.Err.Error()
	if i.Sent {
		text = ErrUnknownResult.Error() + ": " + text
	}
	if i.Last != nil {
		text += "; last failure: " + i.Last.Error()
	}
	return text
}

// Unwrap makes errors.Is and errors.As look into all of it.
func (i *Interruption) Unwrap() []error {
	all := []error{i.Err}
	if i.Sent {
		all = append(all, ErrUnknownResult)
	}
	if i.Last != nil {
		all = append(all, i.Last)
	}
	return all
}

// Error is a refused append; find it with errors.As, and its class with
// errors.Is of ErrConflict, ErrMalformed or ErrDuplicate.
type Error struct {
	Topic     string
	Partition int32
	Record    int    // index in the append's records; of a parsed text, in the batch
	Lock      string // the lock that was to blame, as the header has it; "*" is the partition
	Basis     int64
	Last      int64  // the offset to read up to; of a duplicate, of the first append; None if it is not known
	By        string // the id of the append that wrote Last; "" if it had none

	kind protocol.RefusalKind
	text string
}

// newError makes an Error of a refusal and the text that told it.
func newError(topic string, partition int32, r *protocol.Refusal, text string) *Error {
	return &Error{
		Topic: topic, Partition: partition, Record: int(r.Record), Lock: r.Lock,
		Basis: int64(r.Basis), Last: int64(r.Last), By: r.By, kind: r.Kind, text: text,
	}
}

// Error is the broker's text.
func (e *Error) Error() string { return e.text }

// Is makes errors.Is know the class of the refusal.
func (e *Error) Is(target error) bool {
	switch e.kind {
	case protocol.RefusalConflict, protocol.RefusalUnknown, protocol.RefusalHeld:
		return target == ErrConflict
	case protocol.RefusalDuplicate:
		return target == ErrDuplicate
	default:
		return target == ErrMalformed
	}
}

// Parse reads the text of a refusal that any other client got: the partition's
// error_message or that of its record error. Topic and Partition stay empty.
func Parse(message string) (*Error, bool) {
	r, ok := protocol.ParseRefusal(message)
	if !ok {
		return nil, false
	}
	return newError("", 0, &r, message), true
}
