package work

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Options of a workload. The counts are of each round.
type Options struct {
	Brokers    []string
	Partitions int32 // of each topic
	Replicas   int16
	MinInsync  int
	Seed       uint64
}

// The topics.
const (
	Bank     = "bank"
	Plain    = "plain"
	Register = "register"
)

const (
	clients    = 2 // of package client, each shared by
	bankers    = 3 // that write to all partitions,
	registrars = 2 // on each partition of Register
	accounts   = 24

	bankerPause    = 30 * time.Millisecond // on average, between two transfers
	registrarPause = 150 * time.Millisecond
	producerPause  = 25 * time.Millisecond // between two bursts
	burstMax       = 8

	callTimeout = 20 * time.Second // of one attempt; beyond, its outcome is unknown
	retryFor    = 40 * time.Second // how long an unknown outcome is asked after
)

// Settings are the client settings of every client here. A silent broker is given
// up after a second where franz-go's own settings wait for twenty, and who leads
// is asked again after a tenth of a second where they wait for five. The time to
// dial counts several times over: each request that waited for a dead connection
// dials the silent broker twice more, one after the other.
func Settings(brokers []string) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(brokers...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DialTimeout(time.Second / 4),
		kgo.RequestTimeoutOverhead(time.Second / 2),
		kgo.ProduceRequestTimeout(time.Second / 2),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.AlwaysRetryEOF(), // from a broker that was killed before its first answer
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(20*time.Millisecond<<min(tries, 5), 250*time.Millisecond) }),
	}
}
