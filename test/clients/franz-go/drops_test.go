package franzgo

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A producer, when it is given TOPIC: it prints what is acknowledged.
func TestDrops(t *testing.T) {
	if flag.NArg() != 1 {
		t.Skip("the program drops runs it")
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("BROKER")), kgo.DefaultProduceTopic(flag.Arg(0)), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }), kgo.RequestRetries(1000))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range 2000 {
		r := &kgo.Record{Value: fmt.Append(nil, "value-", i), Partition: int32(i % 3)}
		cl.Produce(context.Background(), r, func(r *kgo.Record, err error) {
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			fmt.Println(string(r.Value))
		})
		time.Sleep(time.Millisecond)
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}
