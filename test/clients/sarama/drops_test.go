package sarama

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// A producer, when it is given TOPIC: it prints what is acknowledged.
func TestDrops(t *testing.T) {
	if flag.NArg() != 1 {
		t.Skip("the program drops runs it")
	}
	c := config()
	c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	c.Producer.Retry.Max, c.Producer.Retry.Backoff = 1000, 10*time.Millisecond
	c.Metadata.Retry.Max, c.Metadata.Retry.Backoff = 1000, 10*time.Millisecond
	p, err := sarama.NewAsyncProducer([]string{os.Getenv("BROKER")}, c)
	if err != nil {
		t.Fatal(err)
	}
	var answers, sent sync.WaitGroup
	answers.Go(func() {
		for m := range p.Successes() {
			fmt.Println("value-" + fmt.Sprint(m.Metadata))
			sent.Done()
		}
	})
	answers.Go(func() {
		for err := range p.Errors() {
			fmt.Fprintln(os.Stderr, err)
			sent.Done()
		}
	})
	for i := range 2000 {
		sent.Add(1)
		p.Input() <- &sarama.ProducerMessage{Topic: flag.Arg(0), Partition: int32(i % 3), Metadata: i, Value: sarama.StringEncoder(fmt.Sprint("value-", i))}
		time.Sleep(time.Millisecond)
	}
	sent.Wait() // closing fails what is to be sent again
	p.AsyncClose()
	answers.Wait()
}
