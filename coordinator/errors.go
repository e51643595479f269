package coordinator

import (
	"errors"
)

var (
	// ErrBrokerIDTaken refuses a registration while another live broker holds the same id.
	ErrBrokerIDTaken = errors.New("broker id is taken")
	// ErrNotRegistered refuses what only a registered broker can do.
	ErrNotRegistered = errors.New("broker is not registered")
	// ErrStoreWentBack refuses a store whose revision fell: an old snapshot was restored under us.
	ErrStoreWentBack = errors.New("store went back in time")
	// ErrClosed is the answer of a Cluster that no longer runs.
	ErrClosed = errors.New("cluster is closed")
)
