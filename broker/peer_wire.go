package broker

import "time"

// What brokers say to each other, see docs/protocol.md.
const (
	peerFetchVersion = 17
	// peerWait is how long a leader keeps a follower's fetch when there is nothing
	// to tell: its answer is then the heartbeat.
	peerWait = 500 * time.Millisecond
	// peerSilence is how long a follower waits for the next byte of an answer.
	peerSilence = 1200 * time.Millisecond
	// peerIdleTimeout is after how long without a request a leader gives up on a
	// follower that is behind a cut link, or not running.
	peerIdleTimeout = 30 * time.Second
	// peerInFlight is how many requests a follower has under way.
	peerInFlight = 2

	peerAnswerBytes    = 8 << 20 // of records in one answer; a first batch may be larger
	peerPartitionBytes = 4 << 20 // of one partition in it
	// peerLaggingBytes is of all partitions that the follower is not in sync with: what
	// catches up must not hold up what has.
	peerLaggingBytes = 2 << 20
	// peerListedMax bounds the partitions of one request or answer.
	peerListedMax = 4096
)
