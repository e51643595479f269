package sarama

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// A member of a group, when it is given TOPIC GROUP: it prints what it
// reads, then commits.
func TestMember(t *testing.T) {
	if flag.NArg() == 0 {
		t.Skip("the program groups runs it")
	}
	topic, name := flag.Arg(0), flag.Arg(1)
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Consumer.Offsets.Initial, c.Consumer.Offsets.AutoCommit.Enable = sarama.OffsetOldest, false
	c.Consumer.Group.Session.Timeout, c.Consumer.Group.Heartbeat.Interval = 6*time.Second, time.Second
	group, err := sarama.NewConsumerGroup([]string{os.Getenv("BROKER")}, name, c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{topic}, printer{}); err != nil {
			t.Log(err)
		}
	}
	if err := group.Close(); err != nil {
		t.Fatal(err)
	}
}

// printer prints what it is given.
type printer struct{}

func (printer) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (printer) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (printer) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			fmt.Println(string(m.Value))
			s.MarkMessage(m, "")
			s.Commit()
		case <-s.Context().Done():
			return nil
		}
	}
}
