package replication

import "time"

// What brokers say to each other, see docs/protocol.md.
const (
	// FetchVersion is the one version of Fetch that brokers speak to each other.
	FetchVersion = 17
	// heartbeatInterval is how long a leader keeps a follower's fetch when there is nothing
	// to tell: its answer is then the heartbeat.
	heartbeatInterval = 500 * time.Millisecond
	// silenceMax is how long a follower waits for the next byte of an answer.
	silenceMax = 1200 * time.Millisecond
	// idleTimeout is after how long without a request a leader gives up on a
	// follower that is behind a cut link, or not running.
	idleTimeout = 30 * time.Second
	// inFlightMax is how many requests a follower has under way.
	inFlightMax = 2

	AnswerBytesMax    = 8 << 20 // of records in one answer; a first batch may be larger
	partitionBytesMax = 4 << 20 // of one partition in it
	// laggingBytesMax is of all partitions that the follower is not in sync with: what
	// catches up must not hold up what has.
	laggingBytesMax = 2 << 20
	// listedMax bounds the partitions of one request or answer.
	listedMax = 4096
)
