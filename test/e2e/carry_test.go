package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestACopyIsCarriedUntilItIsPromoted is the story of docs/pipelines.md: what a
// pipeline copies, headers and all, is taken where copies are expected, and what
// the command line says of it.
func TestACopyIsCarriedUntilItIsPromoted(t *testing.T) {
	b := Start(t)
	says := func(wantCode int, want string, args ...string) {
		t.Helper()
		out, stderr, code := b.CLI("", args...)
		if code != wantCode || !regexp.MustCompile(want).MatchString(out+stderr) {
			t.Errorf("lockstep %s: exit %d\n%s%s\nwant %d and %s", strings.Join(args, " "), code, out, stderr, wantCode, want)
		}
	}
	says(0, "", "topic", "create", "accounts", "--config", "conflict.policy=required")
	says(0, "", "append", "accounts", "100", "--write", "acct:7", "--basis", "none", "--id", "req-1")
	says(0, "", "append", "accounts", "120", "--write", "acct:7", "--basis", "0", "--id", "req-2")
	says(0, "", "topic", "create", "accounts-dlt", "east.accounts")
	says(0, `(?m)^conflict\.policy +carry +pattern \.\+\[-\._\]\(\?i:dlq\|dlt\|dead-letter\)\(-\.\*\)\?$`, "topic", "describe", "accounts-dlt")
	says(0, `(?m)^conflict\.policy +optional +default$`, "topic", "describe", "east.accounts")
	says(0, `(?m)^conflict\.policy +required +topic$`, "topic", "describe", "accounts")

	if err := b.copyTopic("accounts", "east.accounts"); err == nil {
		t.Error("a copy is taken for a request, and admitted")
	}
	says(0, "if this topic holds copies, set conflict.policy=carry", "conflicts", "tail", "--follow=false")
	says(0, "altered", "topic", "alter", "east.accounts", "--config", "conflict.policy=carry")
	says(0, `(?m)^conflict\.policy +carry +topic$`, "topic", "describe", "east.accounts")
	for _, to := range []string{"accounts-dlt", "east.accounts"} {
		for range 2 {
			if err := b.copyTopic("accounts", to); err != nil {
				t.Errorf("copy to %s: %v", to, err)
			}
		}
		says(1, "MALFORMED record=0: conflict.policy=carry: locks are not judged here", "append", to, "x", "--write", "a", "--basis", "none")
		says(1, "MALFORMED record=0: conflict.policy=carry: locks are not judged here", "append", to, "x", "--id", "a")
		says(1, "MALFORMED record=0: conflict.policy=carry: locks are not judged here", "lock", "check", to, "--write", "acct:7", "--basis", "1")
		says(0, "^4\n$", "append", to, "plain")
		says(0, "partition 0, offsets 0 to 3: 4 records with lock headers were carried", "audit", to)
	}

	says(0, "altered", "topic", "alter", "east.accounts", "--config", "conflict.policy=optional")
	says(3, "CONFLICT lock=acct:7 last=3 basis=1 by=req-2 record=0: ", "append", "east.accounts", "130", "--write", "acct:7", "--basis", "1")
	says(0, "^1\n$", "append", "east.accounts", "120", "--write", "acct:7", "--basis", "3", "--id", "req-2")
	says(0, "^5\n$", "append", "east.accounts", "130", "--write", "acct:7", "--basis", "4")
	says(0, `(?m)^0 +0 +6 +6 +1 +1 +4 +0 +0 +0 +0$`, "audit", "east.accounts")
	says(0, `(?m)^0 +3 .* lock-write +- +req-2`, "lock", "history", "east.accounts", "acct:7")
}

// copyTopic copies partition 0 as pipelines do: each record with all its headers.
func (b *Broker) copyTopic(from, to string) error {
	b.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{from: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	fetches := cl.PollFetches(b.t.Context())
	if err := fetches.Err(); err != nil {
		b.t.Fatal(err)
	}
	var records []*kgo.Record
	fetches.EachRecord(func(r *kgo.Record) {
		records = append(records, &kgo.Record{Topic: to, Key: r.Key, Value: r.Value, Headers: r.Headers})
	})
	if len(records) == 0 {
		b.t.Fatalf("nothing was read of %s", from)
	}
	return cl.ProduceSync(b.t.Context(), records...).FirstErr()
}
