package txn

import "errors"

// What a command may be refused with. Each is one of Kafka's errors.
var (
	ErrInvalidRequest = errors.New("the request is not valid")
	ErrInvalidTimeout = errors.New("the transaction timeout is larger than the broker allows, or not above 0")
	ErrConcurrent     = errors.New("the transaction before it is still ending")
	ErrFenced         = errors.New("a newer producer has this transactional id")
	ErrMapping        = errors.New("the producer id is not the one of this transactional id")
	ErrInvalidState   = errors.New("the transaction is not in a state for this")
	ErrAbortable      = errors.New("the transaction can only be aborted")
	ErrNotFound       = errors.New("the transactional id does not exist")
	ErrTooMany        = errors.New("the coordinator has as many transactional ids as it may have")
	ErrBadRecord      = errors.New("the transaction log holds a record that cannot be read")

	// ErrNoProducerIDs asks the driver to call GiveProducerIDs and to try again.
	ErrNoProducerIDs = errors.New("no producer id is left to give")
)
