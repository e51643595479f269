package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// plainBroker is a broker of its own, on loopback.
func plainBroker(t *testing.T) (addr string) {
	t.Helper()
	srv, err := broker.New(broker.Config{
		NodeID: 1, DataDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler),
		Listeners: []broker.Listener{{Name: "PLAINTEXT", Addr: "127.0.0.1:0"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	<-srv.Ready()
	return srv.Addr("")
}

// Goal: audit and lock history tell the truth of what a broker has admitted to
// transactions, of all ends. Method: stock producers write, commit, abort and stay open,
// in two partitions; each admission that an audit without transactions would call wrong is among them.
func TestAnAuditKnowsTheTransactionsOfABroker(t *testing.T) {
	addr := plainBroker(t)
	producer := func(opts ...kgo.Opt) *kgo.Client {
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return cl
	}
	write := func(cl *kgo.Client, admitted bool, partition int32, headers ...string) {
		t.Helper()
		r := &kgo.Record{Topic: "a", Partition: partition, Key: []byte("k"), Value: []byte("v")}
		for _, h := range headers {
			k, v, _ := strings.Cut(h, "=")
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
		}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); (err == nil) != admitted {
			t.Fatalf("partition %d, %v: %v", partition, headers, err)
		}
	}
	runCommand(t, command.ExitDone, nil, "topic", "create", "a", "-p", "2", "-b", addr)
	plain, txn := producer(), producer(kgo.TransactionalID("mover"))
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := txn.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for p := range int32(2) { // offsets 0 to 2, and 3 to 5
			write(txn, true, p, "lock-write=acct", "lock-basis=none", fmt.Sprint("lock-id=move-", p))
			write(txn, true, p, "lock-write=acct", "lock-basis=none")
			write(plain, false, p, "lock-append=acct")
		}
		if err := txn.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	write(plain, false, 0, "lock-write=acct", "lock-basis=3")
	write(plain, true, 0, "lock-write=acct", "lock-basis=4") // offset 6
	if err := txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	write(txn, true, 0, "lock-read=acct", "lock-basis=6") // offset 7: open
	write(txn, true, 0, "lock-append=other")
	write(plain, true, 0, "lock-read=acct", "lock-basis=6")

	out, _ := runCommand(t, command.ExitDone, nil, "audit", "a", "-b", addr, "--format", "json")
	var parts []struct {
		End, Records, Aborted, Undecided, Unproven int64
		Requests                                   int64 `json:"lock_requests"`
		Wrong                                      int64 `json:"wrong_total"`
	}
	if err := json.Unmarshal([]byte(out), &parts); err != nil || len(parts) != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	if p := parts[0]; p.End != 10 || p.Records != 8 || p.Requests != 8 || p.Aborted != 2 || p.Undecided != 2 || p.Unproven+p.Wrong != 0 {
		t.Errorf("partition 0: %+v", p)
	}
	if p := parts[1]; p.End != 6 || p.Records != 4 || p.Requests != 4 || p.Aborted != 2 || p.Undecided+p.Unproven+p.Wrong != 0 {
		t.Errorf("partition 1: %+v", p)
	}
	var seen []string
	out, _ = runCommand(t, command.ExitDone, nil, "lock", "history", "a", "acct", "-p", "0", "--reads", "-b", addr)
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); f[0] == "0" {
			seen = append(seen, f[1]+" "+f[3]+" "+f[4])
		}
	}
	want := "0 aborted lock-write, 1 aborted lock-write, 3 - lock-write, 4 - lock-write, 6 - lock-write, " +
		"7 undecided lock-read, 9 - lock-read"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("history: %s\nwant: %s", got, want)
	}

	runCommand(t, command.ExitUsage, nil, "audit", "-b", addr)
	runCommand(t, command.ExitUsage, nil, "audit", "a", "--all", "-b", addr)
	runCommand(t, command.ExitDone, nil, "topic", "create", "b", "-p", "1", "-b", addr)
	out, said := runCommand(t, command.ExitDone, nil, "audit", "--all", "-b", addr)
	rows := 0
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); f[0] == "a" && len(f) == 12 || strings.HasPrefix(strings.Join(f, " "), "b 0 0 0 ") {
			rows++
		}
	}
	if rows != 3 || said != "" {
		t.Errorf("audit --all: %s%s", out, said)
	}
}

// Goal: of what a broker lets many writers do at once, over two partitions, an audit finds
// nothing wrong, and a serial order. Method: stock transactional producers, each guarding one
// of few locks and writing another, on the last stable offsets; who is refused aborts.
func TestAnAuditFindsOneOrderOfManyTransactions(t *testing.T) {
	addr := plainBroker(t)
	runCommand(t, command.ExitDone, nil, "topic", "create", "a", "-p", "2", "-b", addr)
	var writers sync.WaitGroup
	var committed atomic.Int64
	for n := range 4 {
		cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.TransactionalID(fmt.Sprint("w", n)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		writers.Go(func() {
			for i := range 25 {
				end := kgo.TryCommit
				stable, err := kadm.NewClient(cl).ListCommittedOffsets(t.Context(), "a")
				if err = errors.Join(err, cl.BeginTransaction()); err != nil {
					t.Error(err)
					return
				}
				for k, header := range []string{"lock-read", "lock-write"} {
					p := int32(n+i+k) % 2
					at, _ := stable.Lookup("a", p)
					basis := "none"
					if at.Offset > 0 {
						basis = fmt.Sprint(at.Offset - 1)
					}
					r := &kgo.Record{Topic: "a", Partition: p, Headers: []kgo.RecordHeader{
						{Key: header, Value: []byte(fmt.Sprint("l", (n*i+k)%3))}, {Key: "lock-basis", Value: []byte(basis)}}}
					if cl.ProduceSync(t.Context(), r).FirstErr() != nil {
						end = kgo.TryAbort
						break
					}
				}
				if err := cl.EndTransaction(t.Context(), end); err != nil {
					t.Error(err)
					return
				}
				if end == kgo.TryCommit {
					committed.Add(1)
				}
			}
		})
	}
	writers.Wait()
	t.Logf("%d of 100 were committed", committed.Load())
	if out, said := runCommand(t, command.ExitDone, nil, "audit", "a", "-b", addr); committed.Load() < 10 || said != "" {
		t.Errorf("%d were committed: %s%s", committed.Load(), out, said)
	}
}
