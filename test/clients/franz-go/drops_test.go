package franzgo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A producer, when it is given TOPIC: it prints what is acknowledged.
func TestDrops(t *testing.T) {
	if flag.NArg() != 1 {
		t.Skip("the program drops runs it")
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("BROKER")), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }), kgo.RequestRetries(1000))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for left := records(flag.Arg(0)); len(left) > 0; {
		left = send(t, cl, left)
		// The client never takes a topic that was made again for the one that it knows, unless it is told to forget that.
		cl.PurgeTopicsFromProducing(flag.Arg(0))
	}
}

func records(topic string) (all []*kgo.Record) {
	for i := range 2000 {
		all = append(all, &kgo.Record{Topic: topic, Value: fmt.Append(nil, "value-", i), Partition: int32(i % 3)})
	}
	return all
}

// send prints what is acknowledged, and returns what belongs to a topic that
// was made again.
func send(t *testing.T, cl *kgo.Client, all []*kgo.Record) (again []*kgo.Record) {
	var mu sync.Mutex
	for _, r := range all {
		cl.Produce(context.Background(), r, func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				fmt.Println(string(r.Value))
			case errors.Is(err, kerr.UnknownTopicID):
				again = append(again, &kgo.Record{Topic: r.Topic, Value: r.Value, Partition: r.Partition})
			default:
				fmt.Fprintln(os.Stderr, err)
			}
		})
		time.Sleep(time.Millisecond)
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return again
}
