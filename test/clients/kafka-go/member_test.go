package kafkago

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// A member of a group, when it is given TOPIC GROUP: it prints what it
// reads, then commits.
func TestMember(t *testing.T) {
	if flag.NArg() == 0 {
		t.Skip("the program groups runs it")
	}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{os.Getenv("BROKER")}, Topic: flag.Arg(0), GroupID: flag.Arg(1),
		StartOffset: kafka.FirstOffset, MaxWait: 200 * time.Millisecond, SessionTimeout: 6 * time.Second, HeartbeatInterval: time.Second})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for {
		m, err := r.FetchMessage(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(string(m.Value))
		if err := r.CommitMessages(ctx, m); err != nil {
			t.Log(err) // a rebalance: the next owner reads it again
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}
