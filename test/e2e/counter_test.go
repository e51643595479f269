package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// client is a stock franz-go client.
func client(t testing.TB, b *Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	// A broker that is killed before its first answer on a connection is not one that wants SASL.
	always := []kgo.Opt{kgo.SeedBrokers(b.Addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.AlwaysRetryEOF()}
	cl, err := kgo.NewClient(append(always, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func createTopic(t testing.TB, b *Broker, name string, configs map[string]*string) {
	t.Helper()
	if _, err := kadm.NewClient(client(t, b)).CreateTopic(context.Background(), 1, 1, configs, name); err != nil {
		t.Fatal(err)
	}
}

// record makes a record with headers given as k, v, k, v.
func record(topic, value string, headers ...string) *kgo.Record {
	r := &kgo.Record{Topic: topic, Value: []byte(value)}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

// readAll reads partition 0 from the start up to its end.
func readAll(t testing.TB, b *Broker, topic string) []*kgo.Record {
	t.Helper()
	ends, err := kadm.NewClient(client(t, b)).ListEndOffsets(context.Background(), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	cl := client(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var out []*kgo.Record
	for len(out) == 0 || out[len(out)-1].Offset < end.Offset-1 {
		if end.Offset == 0 {
			return nil
		}
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		out = append(out, fetches.Records()...)
	}
	return out
}

// counter is one writer's view of the counters: it folds the partition and
// appends increments that depend on what it has read.
type counter struct {
	cl     *kgo.Client // reads, and writes unless each append has a client of its own
	fresh  func() (*kgo.Client, error)
	topic  string
	values map[string]int
	read   int64 // the last offset applied
}

func newCounter(t testing.TB, b *Broker, topic string) *counter {
	return &counter{
		cl:    client(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}})),
		topic: topic, values: map[string]int{}, read: -1,
	}
}

// produce sends one record and waits.
func (c *counter) produce(ctx context.Context, r *kgo.Record) error {
	cl := c.cl
	if c.fresh != nil {
		var err error
		if cl, err = c.fresh(); err != nil {
			return err
		}
		defer cl.Close()
	}
	return cl.ProduceSync(ctx, r).FirstErr()
}

// catchUp applies records until the offset is applied.
func (c *counter) catchUp(ctx context.Context, to int64) error {
	for c.read < to {
		fetches := c.cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, r := range fetches.Records() {
			name, value, _ := strings.Cut(string(r.Value), "=")
			n, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			c.values[name], c.read = n, r.Offset
		}
	}
	return nil
}

// increment appends value+1 of the lock, trying again until it is admitted, and
// returns how often it was refused.
func (c *counter) increment(ctx context.Context, lock string) (refused int, err error) {
	for {
		basis := "none"
		if c.read >= 0 {
			basis = strconv.FormatInt(c.read, 10)
		}
		r := record(c.topic, fmt.Sprintf("%s=%d", lock, c.values[lock]+1), "lock-write", lock, "lock-basis", basis)
		err := c.produce(ctx, r)
		if err == nil {
			return refused, c.catchUp(ctx, r.Offset)
		}
		if !errors.Is(err, kerr.PolicyViolation) {
			return refused, err
		}
		refused++
		// The stock client drops the text that names the offset: read on by one at least.
		if err := c.catchUp(ctx, c.read+1); err != nil {
			return refused, err
		}
	}
}

// TestConcurrentIncrementsSumUpExactly: eight writers on 1, 4 and 64 locks. A
// conflict admitted would lose an increment; and each refusal must have been
// due, which the broker's own history is asked about.
func TestConcurrentIncrementsSumUpExactly(t *testing.T) {
	const writers = 8
	each := 60
	if testing.Short() {
		each = 20
	}
	if n, err := strconv.Atoi(env("LOCKSTEP_INCREMENTS", "")); err == nil {
		each = n
	}
	b := Start(t)
	for _, oneShot := range []bool{false, true} {
		for _, locks := range []int{1, 4, 64} {
			t.Run(fmt.Sprintf("%d locks, one-shot %v", locks, oneShot), func(t *testing.T) {
				incrementAll(t, b, locks, writers, each, oneShot)
			})
		}
	}
}

// incrementAll has the writers increment, and checks the log.
func incrementAll(t *testing.T, b *Broker, locks, writers, each int, oneShot bool) {
	topic := fmt.Sprintf("counters-%d-%v", locks, oneShot)
	createTopic(t, b, topic, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var refusals atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			c := newCounter(t, b, topic)
			if oneShot { // as kcat does: connect, send one, leave
				c.fresh = func() (*kgo.Client, error) { return oneShotClient(b) }
			}
			for i := range each {
				n, err := c.increment(ctx, fmt.Sprintf("n%d", (w*each+i)%locks))
				refusals.Add(int64(n))
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	log := readAll(t, b, topic)
	sum, last := 0, map[string]int{}
	for _, r := range log {
		name, value, _ := strings.Cut(string(r.Value), "=")
		n, _ := strconv.Atoi(value)
		if n != last[name]+1 {
			t.Fatalf("offset %d: %s follows %s=%d: a conflict was admitted", r.Offset, r.Value, name, last[name])
		}
		last[name] = n
	}
	for _, n := range last {
		sum += n
	}
	if sum != writers*each || len(log) != writers*each {
		t.Errorf("the counters sum up to %d in %d records, want %d", sum, len(log), writers*each)
	}
	justify(t, b, topic, log)
	if out, stderr, code := b.CLI("", "audit", topic); code != 0 {
		t.Errorf("audit: exit %d\n%s%s", code, out, stderr)
	}
	t.Logf("%d increments, %d refusals", sum, refusals.Load())
}

// oneShotClient is a producer that is not idempotent and will send one record.
func oneShotClient(b *Broker) (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableIdempotentWrite())
}
