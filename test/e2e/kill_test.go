package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// acked is what a producer was told: its values in the order of their offsets.
type acked struct {
	sync.Mutex
	at map[int64]string
}

// TestKillMinusNineLosesNothingThatWasAcknowledged: idempotent stock producers
// and a conditional one write with acks=all while the broker is killed at random
// moments. Then each acknowledged record is in the log once, at its offset, each
// producer's records are in their order, and the lock table equals a replay.
func TestKillMinusNineLosesNothingThatWasAcknowledged(t *testing.T) {
	rounds := 4
	if n, err := strconv.Atoi(env("LOCKSTEP_KILLS", "")); err == nil {
		rounds = n
	}
	b := Start(t)
	const topic, producers = "survivors", 3
	createTopic(t, b, topic, map[string]*string{"segment.bytes": ptr("262144")})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	told := &acked{at: map[int64]string{}}
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() { plainProducer(t, ctx, b, topic, p, told) })
	}
	wg.Go(func() { conditionalProducer(t, ctx, b, topic, told) })
	for range rounds {
		time.Sleep(time.Duration(200+rand.IntN(600)) * time.Millisecond)
		b.Kill()
		b.Restart()
	}
	time.Sleep(500 * time.Millisecond)
	cancel()
	wg.Wait()

	log := readAll(t, b, topic)
	seen, next := map[string]int64{}, map[string]int{}
	for _, r := range log {
		value := string(r.Value)
		if at, twice := seen[value]; twice {
			t.Fatalf("%s is at offset %d and again at %d", value, at, r.Offset)
		}
		seen[value] = r.Offset
		var who string
		var n int
		fmt.Sscanf(value, "%s %d", &who, &n)
		if who != "conditional" && n != next[who] {
			t.Fatalf("offset %d: %s comes after number %d", r.Offset, value, next[who]-1)
		}
		next[who] = n + 1
	}
	for offset, value := range told.at {
		if at, ok := seen[value]; !ok || at != offset {
			t.Errorf("%s was acknowledged at offset %d and is at %d (%v)", value, offset, at, ok)
		}
	}
	t.Logf("%d kills, %d records acknowledged, %d in the log", rounds, len(told.at), len(log))
	if len(told.at) < 100 {
		t.Errorf("only %d records were acknowledged: the test shows nothing", len(told.at))
	}
	if out, stderr, code := b.CLI("", "audit", topic); code != 0 {
		t.Errorf("audit: exit %d\n%s%s", code, out, stderr)
	}
	b.Stop()
	if out, stderr, code := b.CLI("", "dump", "--replay", b.Dir); code != 0 {
		t.Errorf("dump --replay: exit %d\n%s%s", code, out, stderr)
	}
}

func ptr(s string) *string { return &s }

// plainProducer sends numbered records, several in flight, until ctx ends. What
// is in flight when a broker dies franz-go sends again by sequence.
func plainProducer(t *testing.T, ctx context.Context, b *Broker, topic string, p int, told *acked) {
	cl := client(t, b, kgo.ProducerLinger(0), kgo.RequiredAcks(kgo.AllISRAcks()))
	for n := 0; ctx.Err() == nil; n++ {
		value := fmt.Sprintf("producer-%d %d", p, n)
		cl.Produce(context.Background(), &kgo.Record{Topic: topic, Value: []byte(value)}, func(r *kgo.Record, err error) {
			if err != nil {
				t.Errorf("%s: %v", value, err)
				return
			}
			told.Lock()
			defer told.Unlock()
			told.at[r.Offset] = value
		})
		if n%16 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	if err := cl.Flush(context.Background()); err != nil {
		t.Error(err)
	}
}

// conditionalProducer appends by lock and lock-id, from one-shot clients that are
// not idempotent: a lost answer is asked for again under the same id.
func conditionalProducer(t *testing.T, ctx context.Context, b *Broker, topic string, told *acked) {
	cl := client(t, b, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.MaxProduceRequestsInflightPerBroker(1))
	basis := "none"
	for n := 0; ctx.Err() == nil; n++ {
		value := fmt.Sprintf("conditional %d", n)
		r := record(topic, value, "lock-write", "only", "lock-basis", basis, "lock-id", strconv.Itoa(n))
		err := cl.ProduceSync(context.Background(), r).FirstErr()
		if errors.Is(err, kerr.PolicyViolation) || err != nil {
			t.Errorf("%s: %v", value, err)
			return
		}
		told.Lock()
		told.at[r.Offset] = value
		told.Unlock()
		basis = strconv.FormatInt(r.Offset, 10)
	}
}

// TestTheBrokerStopsWhenAsked cleanly, and starts again without folding its log.
func TestTheBrokerStopsWhenAskedAndStartsClean(t *testing.T) {
	b := Start(t, "--topics", "a:3")
	if out, stderr, code := Run(t, exec.Command(b.bin, "produce", "a", "-p", "2", "-b", b.Addr), "one\ntwo\n"); code != 0 {
		t.Fatalf("produce: exit %d %s%s", code, out, stderr)
	}
	b.Stop()
	b.Restart()
	if out, stderr, code := b.CLI("", "consume", "a", "-p", "2", "-o", "start", "-e", "-f", "%o=%v\n"); code != 0 || out != "0=one\n1=two\n" {
		t.Fatalf("consume: exit %d %q %s", code, out, stderr)
	}
}
