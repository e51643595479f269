package attack

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// bystander is a stock client that writes and reads its own topic while the
// broker is attacked.
type bystander struct {
	t      testing.TB
	cl     *kgo.Client
	stop   context.CancelFunc
	work   sync.WaitGroup
	mu     sync.Mutex
	wrote  int
	read   int
	failed error
}

const bystanderTopic = "bystander"

// bystand starts one. Whoever calls it calls stillServed when the attack is over.
func (v *victim) bystand() *bystander {
	v.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(v.addr), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic(bystanderTopic),
		kgo.ConsumeTopics(bystanderTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(time.Second))
	if err != nil {
		v.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &bystander{t: v.t, cl: cl, stop: stop}
	b.work.Go(func() { b.write(ctx) })
	b.work.Go(func() { b.consume(ctx) })
	v.t.Cleanup(b.end)
	b.progress()
	return b
}

func (b *bystander) end() {
	b.stop()
	b.work.Wait()
	b.cl.Close()
}

func (b *bystander) write(ctx context.Context) {
	for i := 0; ; i++ {
		r := kgo.StringRecord(strconv.Itoa(i))
		err := b.cl.ProduceSync(context.WithoutCancel(ctx), r).FirstErr()
		b.mu.Lock()
		if err != nil && b.failed == nil {
			b.failed = err
		}
		b.wrote = i + 1
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (b *bystander) consume(ctx context.Context) {
	for ctx.Err() == nil {
		b.cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if string(r.Value) != strconv.Itoa(b.read) {
				b.t.Errorf("the bystander read %q, wrote %d", r.Value, b.read)
			}
			b.read++
		})
	}
}

// progress waits until what is written from now on has been read.
func (b *bystander) progress() {
	b.t.Helper()
	b.mu.Lock()
	from := b.wrote
	b.mu.Unlock()
	eventually(b.t, "the bystander is served", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.failed != nil {
			b.t.Fatalf("the bystander's produce failed: %v", b.failed)
		}
		return b.read > from+1
	})
}

// stillServed ends the bystander: it must have been served to the last.
func (b *bystander) stillServed() {
	b.t.Helper()
	b.progress()
	b.end()
}
