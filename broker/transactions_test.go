package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/txn"
)

// transactional is a stock client with a transactional id.
func transactional(t *testing.T, addr, id string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addr), kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// inTransaction writes values, each to a partition of the topic, and ends as told.
func inTransaction(t *testing.T, cl *kgo.Client, topic string, end kgo.TransactionEndTry, values ...string) {
	t.Helper()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: int32(i), Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatalf("produce %s: %v", v, err)
		}
	}
	if err := cl.EndTransaction(t.Context(), end); err != nil {
		t.Fatalf("end: %v", err)
	}
}

// committedValues are what a reader of committed data finds in a partition up to its
// last stable offset.
func committedValues(t *testing.T, addr, topic string, partition int32) (values []string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

// wantCommitted holds what is committed in a partition against what should be.
func wantCommitted(t *testing.T, addr, topic string, partition int32, want ...string) {
	t.Helper()
	if got := committedValues(t, addr, topic, partition); !slices.Equal(got, want) {
		t.Errorf("%s-%d has %q committed, want %q", topic, partition, got, want)
	}
}

// describeTransaction asks the broker for the state of a transactional id.
func (w *wire) describeTransaction(id string) kmsg.DescribeTransactionsResponseTransactionState {
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{id}
	return ask[*kmsg.DescribeTransactionsResponse](w, 0, req).TransactionStates[0]
}

// Goal: a stock producer's transactions are all or nothing, over partitions.
func TestATransactionIsCommittedOrAborted(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 2)
	cl := transactional(t, s.Addr(""), "x")
	for round := range 3 {
		inTransaction(t, cl, "a", kgo.TryCommit, fmt.Sprint("yes", round), fmt.Sprint("yes", round))
		inTransaction(t, cl, "a", kgo.TryAbort, "no", "no")
	}
	for p := range int32(2) {
		wantCommitted(t, s.Addr(""), "a", p, "yes0", "yes1", "yes2")
		if n, _ := s.hosted.Topic("a").Partition(p).OpenTransactions(); n != 0 {
			t.Errorf("partition %d has %d open transactions after their end was answered", p, n)
		}
	}
	if d := w.describeTransaction("x"); d.ErrorCode != 0 || d.State != "CompleteAbort" || d.ProducerEpoch < 6 || len(d.Topics) != 0 {
		t.Errorf("in the end: %+v", d)
	}
}

// Goal: who takes a transactional id over ends the open transaction of the one before
// it, who can write no more.
func TestAZombieIsFenced(t *testing.T) {
	s, _ := startServer(t)
	dial(t, s.Addr("")).createTopic("a", 1)
	zombie := transactional(t, s.Addr(""), "x")
	if err := zombie.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := zombie.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Value: []byte("zombie")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	inTransaction(t, transactional(t, s.Addr(""), "x"), "a", kgo.TryCommit, "successor")
	err := zombie.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Value: []byte("again")}).FirstErr()
	if err == nil {
		err = zombie.EndTransaction(t.Context(), kgo.TryCommit)
	}
	if !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.ProducerFenced) {
		t.Errorf("the zombie gets %v", err)
	}
	wantCommitted(t, s.Addr(""), "a", 0, "successor")
}

// Goal: the transaction of a writer that died is over when its timeout is, not before and
// not at the next of some scan. How late is logged: at most 100 ms are promised.
func TestATransactionEndsAtItsTimeout(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	cl := transactional(t, s.Addr(""), "x", kgo.TransactionTimeout(1500*time.Millisecond))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Value: []byte("late")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	began := w.describeTransaction("x").StartTimestamp
	if d := w.describeTransaction("x"); d.State != txn.Ongoing.String() || d.TimeoutMillis != 1500 {
		t.Fatalf("%+v", d)
	}
	p := s.hosted.Topic("a").Partition(0)
	for {
		if n, _ := p.OpenTransactions(); n == 0 {
			break
		}
		if time.Now().UnixMilli()-began > 10_000 {
			t.Fatal("the transaction does not end")
		}
		time.Sleep(time.Millisecond)
	}
	late := time.Now().UnixMilli() - began - 1500
	if t.Logf("it ended %d ms after its timeout", late); late < 0 {
		t.Error("it ended before its timeout")
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err == nil {
		t.Error("a transaction that was timed out is committed")
	}
	wantCommitted(t, s.Addr(""), "a", 0)
}
