package image

import (
	"errors"
)

var (
	// ErrClusterMismatch refuses a store that does not hold the expected cluster.
	ErrClusterMismatch = errors.New("store belongs to another cluster")
	// ErrNewerFormat refuses a store that a newer version wrote.
	ErrNewerFormat = errors.New("store has a newer format")
)
