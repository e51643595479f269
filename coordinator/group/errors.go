package group

import (
	"errors"
	"fmt"
)

// What a command may be refused with. Each is one of Kafka's errors.
var (
	ErrInvalidGroupID       = errors.New("invalid group id")
	ErrInvalidSession       = errors.New("the session timeout is outside of what the broker allows")
	ErrUnknownMember        = errors.New("the group does not know this member")
	ErrMemberIDRequired     = errors.New("the member must join again with the id it was given")
	ErrFencedInstance       = errors.New("another member has joined with this group instance id")
	ErrIllegalGeneration    = errors.New("the group is in another generation")
	ErrRebalanceInProgress  = errors.New("the group is rebalancing")
	ErrInconsistentProtocol = errors.New("the member's protocols do not fit the group's")
	ErrGroupFull            = errors.New("the group has as many members as it may have")
	ErrTooManyGroups        = errors.New("the coordinator has as many groups as it may have")
	ErrGroupNotFound        = errors.New("the group does not exist")
	ErrNonEmptyGroup        = errors.New("the group has members")
	ErrSubscribed           = errors.New("the group is subscribed to the topic")
	ErrMetadataTooLarge     = errors.New("the metadata of the offset is too large")
	ErrInvalidRequest       = errors.New("the request is not valid")
	ErrFencedEpoch          = errors.New("the member is in another epoch")
	ErrStaleEpoch           = errors.New("the member's epoch is not the one it has now")
	ErrUnreleasedInstance   = errors.New("the group instance id was not given up")
	ErrUnsupportedAssignor  = errors.New("there is no such assignor")
	ErrInvalidPattern       = errors.New("the regular expression is not valid")
	ErrOldCommit            = errors.New("members of the consumer protocol commit with version 9 or later")
	ErrBadRecord            = errors.New("the offsets topic holds a record that cannot be read")
)

// notFound is an ErrGroupNotFound in Kafka's words.
type notFound struct{ text string }

func (e *notFound) Error() string { return e.text }

// Unwrap is ErrGroupNotFound.
func (e *notFound) Unwrap() error { return ErrGroupNotFound }

// NotFound says that a group is not there.
func NotFound(id string) error { return &notFound{fmt.Sprintf("Group %s not found.", printable(id))} }
