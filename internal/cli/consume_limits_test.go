package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

// tenRecords is a cluster with a topic of ten records, each a batch.
func tenRecords(t *testing.T) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "accounts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("accounts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for i := range 10 {
		if err := client.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return cluster, client
}

// TestConsumeSaysWhatWasRemovedAndGoesOn, and never prints anything twice: an offset
// that is not there for another reason is an error.
func TestConsumeSaysWhatWasRemovedAndGoesOn(t *testing.T) {
	cluster, client := tenRecords(t)
	before := kadm.Offsets{}
	before.AddOffset("accounts", 0, 3, -1)
	if _, err := kadm.NewClient(client).DeleteRecords(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	consume := func(args ...string) (int, string, string) {
		s := commandtest.Quiet("LOCKSTEP_BROKERS=" + cluster.ListenAddrs()[0])
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		code := execute(ctx, append([]string{"consume", "accounts", "-f", `%o\n`}, args...), s)
		return code, s.Out.(*bytes.Buffer).String(), s.Err.(*bytes.Buffer).String()
	}
	if code, out, said := consume("-o", "1", "-n", "3"); code != command.ExitDone || out != "3\n4\n5\n" ||
		!strings.Contains(said, "accounts/0: offsets 1 to 2 were removed; going on at 3") {
		t.Errorf("from a removed offset: exit %d, %q, %q", code, out, said)
	}
	if code, out, said := consume("-o", "99", "-n", "3"); code != command.ExitError || out != "" ||
		!strings.Contains(said, "offset 99 is not in the log") {
		t.Errorf("from beyond the end: exit %d, %q, %q", code, out, said)
	}
}
