package cli

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
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
	s := commandtest.Quiet("LOCKSTEP_BROKERS=" + cluster.ListenAddrs()[0])
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if code := execute(ctx, []string{"consume", "accounts", "-e", "-f", `%o %v\n`}, s); code != command.ExitDone {
		t.Errorf("exit code %d: %s", code, s.Err)
	}
	if got := s.Out.(*bytes.Buffer).String(); got != "0 paid\n" {
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
