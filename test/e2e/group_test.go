package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// groupTimeout bounds a group that does not come on; no test depends on its length.
const groupTimeout = 2 * time.Minute

// Goal: a committed offset is never lost and no record is left out, however
// often the broker dies. Method: a stock consumer commits what it has read
// while the process is killed under it; behind each kill the group's offsets
// are at least what was acknowledged.
func TestCommittedOffsetsSurviveKills(t *testing.T) {
	const topic, group, kills, each = "orders", "billing", 4, 200
	b := Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), groupTimeout)
	defer cancel()
	producer, err := kgo.NewClient(kgo.SeedBrokers(b.Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	adm := kadm.NewClient(producer)
	if _, err := adm.CreateTopic(ctx, 3, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	member, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()

	seen := map[string]int{}
	for round := range kills {
		for i := range each {
			producer.Produce(ctx, &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "%d/%d", round, i)}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("produce: %v", err)
				}
			})
		}
		if err := producer.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		for len(seen) < (round+1)*each {
			member.PollRecords(ctx, 50).EachRecord(func(r *kgo.Record) { seen[string(r.Value)]++ })
			if err := member.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() != nil {
				t.Fatalf("%d of %d records read; commit: %v", len(seen), (round+1)*each, err)
			}
		}
		acknowledged := member.CommittedOffsets()
		b.Kill()
		b.Restart()
		kept, err := fetchWhenLoaded(ctx, adm, group)
		if err != nil {
			t.Fatal(err)
		}
		for p, o := range acknowledged[topic] {
			if got, ok := kept.Lookup(topic, p); o.Offset > 0 && (!ok || got.At < o.Offset) {
				t.Errorf("kill %d: partition %d is at %d, committed was %d", round, p, got.At, o.Offset)
			}
		}
	}
}

// fetchWhenLoaded asks again while the coordinator comes up.
func fetchWhenLoaded(ctx context.Context, adm *kadm.Client, group string) (kadm.OffsetResponses, error) {
	for {
		offsets, err := adm.FetchOffsets(ctx, group)
		if err == nil || ctx.Err() != nil {
			return offsets, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Goal: sarama's consumer groups work as against Kafka. Method: two members
// share six partitions, one leaves, and every record is handled by one of them.
func TestSaramaMembersShareATopic(t *testing.T) {
	const topic, partitions, each = "shared", 6, 40
	b := Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), groupTimeout)
	defer cancel()
	producer, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if _, err := kadm.NewClient(producer).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	write := func(from int) {
		for p := range int32(partitions) {
			for i := range each {
				producer.Produce(ctx, &kgo.Record{Topic: topic, Partition: p, Value: fmt.Appendf(nil, "%d/%d", p, from+i)}, nil)
			}
		}
		if err := producer.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	all := &handled{seen: map[string]bool{}, claims: map[string]int{}}
	first := all.member(t, b.Addr, topic)
	second := all.member(t, b.Addr, topic)
	all.await(ctx, t, "both members to have partitions", func() bool { return all.claims["0"] == 3 && all.claims["1"] == 3 })
	write(0)
	all.await(ctx, t, "all records", func() bool { return len(all.seen) == partitions*each })
	second()
	all.await(ctx, t, "the other member to have all partitions", func() bool { return all.claims["0"] == partitions })
	write(each)
	all.await(ctx, t, "all records", func() bool { return len(all.seen) == 2*partitions*each })
	first()
}

// handled is what the members of a group have seen, together.
type handled struct {
	sync.Mutex
	seen    map[string]bool
	claims  map[string]int // partitions that each member has
	members int
}

func (h *handled) await(ctx context.Context, t *testing.T, what string, done func() bool) {
	t.Helper()
	for {
		h.Lock()
		ok := done()
		h.Unlock()
		if ok {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("waited in vain for %s: %d seen, claims %v", what, len(h.seen), h.claims)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// member starts a consumer; what it returns ends it.
func (h *handled) member(t *testing.T, addr, topic string) (leave func()) {
	t.Helper()
	cfg := sarama.NewConfig()
	cfg.Version = sarama.V3_6_0_0
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	cfg.Consumer.Group.Session.Timeout = 6 * time.Second
	cfg.Consumer.Group.Heartbeat.Interval = 100 * time.Millisecond
	cfg.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	g, err := sarama.NewConsumerGroup([]string{addr}, "sarama", cfg)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprint(h.members)
	h.members++
	ctx, cancel := context.WithCancel(t.Context())
	var consuming sync.WaitGroup
	consuming.Go(func() {
		for ctx.Err() == nil {
			if err := g.Consume(ctx, []string{topic}, handledBy{h, name}); err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) && ctx.Err() == nil {
				t.Errorf("consume: %v", err)
			}
		}
	})
	return func() {
		cancel()
		consuming.Wait()
		if err := g.Close(); err != nil {
			t.Errorf("leave: %v", err)
		}
	}
}

// handledBy is sarama's view of one member.
type handledBy struct {
	*handled
	name string
}

func (h handledBy) Setup(s sarama.ConsumerGroupSession) error {
	h.Lock()
	defer h.Unlock()
	h.claims[h.name] = 0
	for _, ps := range s.Claims() {
		h.claims[h.name] += len(ps)
	}
	return nil
}

func (h handledBy) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (h handledBy) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for m := range c.Messages() {
		h.Lock()
		h.seen[string(m.Value)] = true
		h.Unlock()
		s.MarkMessage(m, "")
	}
	return nil
}
