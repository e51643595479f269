package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestReadingToTheEndEndsWhereTheEndHoldsNoRecord ends a log in the marker of
// a transaction: an offset that no reader ever gets.
func TestReadingToTheEndEndsWhereTheEndHoldsNoRecord(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "accounts"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	commitOne(t, cluster.ListenAddrs())
	s := quiet("LOCKSTEP_BROKERS=" + cluster.ListenAddrs()[0])
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if code := execute(ctx, []string{"consume", "accounts", "-e", "-f", `%o %v\n`}, s); code != exitDone {
		t.Errorf("exit code %d: %s", code, s.err)
	}
	if got := s.out.(*bytes.Buffer).String(); got != "0 paid\n" {
		t.Errorf("got %q", got)
	}
	if ctx.Err() != nil {
		t.Error("it waited for the offset that holds nothing")
	}
}

func commitOne(t *testing.T, seeds []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("accounts"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, kgo.StringRecord("paid")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
}

func TestAPositionIsReadAsItIsWritten(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text string
		want position
	}{
		{"start", position{fromStart, 0}},
		{"end", position{fromEnd, 0}},
		{"+5", position{fromStart, 5}},
		{"-5", position{fromEnd, -5}},
		{"-0", position{fromEnd, 0}},
		{"17", position{fromOffset, 17}},
		{"@1700000000", position{fromTime, 1_700_000_000_000}},
		{"@1700000000123", position{fromTime, 1_700_000_000_123}},
		{"@2026-11-23", position{fromTime, 1_795_392_000_000}},
		{"@2026-11-23T01:00:00Z", position{fromTime, 1_795_395_600_000}},
		{"@-12h", position{fromTime, 1_795_392_000_000}},
	} {
		if got, err := parsePosition(c.text, now); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "middle", "@", "@noon", "1.5", "@5h", "99999999999999999999"} {
		if got, err := parsePosition(text, now); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestAPositionSettlesWithinItsPartition(t *testing.T) {
	const start, end = 10, 20
	for _, c := range []struct {
		p    position
		at   int64 // what the broker answered about the time
		want int64
	}{
		{position{fromStart, 0}, 0, 10},
		{position{fromStart, 3}, 0, 13},
		{position{fromStart, 99}, 0, 20},
		{position{fromEnd, -3}, 0, 17},
		{position{fromEnd, -99}, 0, 10},
		{position{fromTime, 1}, 15, 15},
		{position{fromTime, 1}, -1, 20},
		{position{fromOffset, 4}, 0, 4},
	} {
		if got := c.p.settle(start, end, c.at); got != c.want {
			t.Errorf("%+v: got %d, want %d", c.p, got, c.want)
		}
	}
}
