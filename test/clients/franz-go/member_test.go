package franzgo

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A member of a group, when it is given PROTOCOL TOPIC GROUP: it prints what it
// reads, then commits.
func TestMember(t *testing.T) {
	if flag.NArg() == 0 {
		t.Skip("the program groups runs it")
	}
	protocol, topic, group := flag.Arg(0), flag.Arg(1), flag.Arg(2)
	opts := []kgo.Opt{kgo.SeedBrokers(os.Getenv("BROKER")), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(time.Second)}
	if protocol == "consumer" {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { fmt.Println(string(r.Value)) })
		if err := cl.CommitUncommittedOffsets(context.Background()); err != nil {
			t.Log(err) // a rebalance: the next owner reads it again
		}
		cl.AllowRebalance()
	}
	cl.CloseAllowingRebalance()
}
