package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Marks count how often rare paths ran. A path that never runs is not tested,
// whatever the seeds say.
type Marks map[string]int

// Expected are the marks that a few hundred seeds must reach.
var Expected = []string{
	"ack", "ack: repeat by sequence", "ack: repeat by lock-id",
	"ack: repeat of a batch with verdicts", "appends left out of a batch", "several batches in one group", "checkpoint written", "compacted", "compaction adopted", "produce: timed out",
	"refused: conflict", "refusal waited for its commit", "refusal waited for proof of leadership", "produce: not settled", "produce: not enough replicas", "produce: not leader",
	"leader deposed with answers waiting", "leader elected", "leader re-elected in a new broker epoch", "last in-sync replica restarted and leads",
	"truncated", "fetch: fenced", "fetch: epoch unknown", "fetch: earlier broker epoch",
	"isr: shrunk", "isr: grown", "isr: change lost", "isr: change refused", "store: election lost the race",
	"crash: unsynced tail lost", "crash: unsynced tail kept", "shutdown: clean", "lease lapsed", "power cut of all brokers",
	"leadership moved by hand", "corrupt batch found", "disk replaced", "read from a follower", "list offsets: not available",
	"list offsets: a leader was deposed and does not know it", "list offsets: not proven",
	"read: a leader lacks what was read", "read: a leader that was deposed is not believed", "batch refused for its second record",
}

// Add adds what another run has counted.
func (m Marks) Add(o Marks) {
	for k, n := range o {
		m[k] += n
	}
}

// Missing are the expected marks that were never reached.
func (m Marks) Missing() (names []string) {
	for _, k := range Expected {
		if m[k] == 0 {
			names = append(names, k)
		}
	}
	return names
}

// String is a line for each mark.
func (m Marks) String() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%8d  %s\n", m[k], k)
	}
	return b.String()
}
