package work

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/chaos/check"
)

// reader consumes every partition from its start on, for as long as the workload
// lives. One with a rack reads from the replica in that rack, where brokers
// allow it.
type reader struct {
	name    string
	cl      *kgo.Client
	history *history
	done    chan struct{}

	mu struct {
		sync.Mutex
		next map[check.Place]int64
	}
}

// addReaders makes one that reads from leaders and one for the first rack.
func (w *Workload) addReaders() error {
	for _, rack := range []string{"", "rack-1"} {
		from := map[string]map[int32]kgo.Offset{}
		for _, at := range w.Places() {
			if from[at.Topic] == nil {
				from[at.Topic] = map[int32]kgo.Offset{}
			}
			from[at.Topic][at.Partition] = kgo.NewOffset().AtStart()
		}
		cl, err := w.kafka(kgo.ConsumePartitions(from), kgo.Rack(rack), kgo.FetchMaxWait(500*time.Millisecond))
		if err != nil {
			return err
		}
		r := &reader{name: "reader-of-" + cmp.Or(rack, "leaders"), cl: cl, history: w.history, done: make(chan struct{})}
		r.mu.next = map[check.Place]int64{}
		w.readers = append(w.readers, r)
		go r.run() // Close ends its client and waits
	}
	return nil
}

// ReaderNames in a fixed order.
func (w *Workload) ReaderNames() []string {
	var names []string
	for _, r := range w.readers {
		names = append(names, r.name)
	}
	return names
}

func (r *reader) run() {
	defer close(r.done)
	for {
		fetches := r.cl.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			r.history.complain("%s: %s-%d: %v", r.name, topic, partition, err)
		})
		fetches.EachRecord(func(rec *kgo.Record) {
			at := check.Place{Topic: rec.Topic, Partition: rec.Partition}
			r.history.read(r.name, check.Reading{At: at, Offset: rec.Offset, Value: string(rec.Value)})
			r.mu.Lock()
			r.mu.next[at] = rec.Offset + 1
			r.mu.Unlock()
		})
	}
}

// reach waits until the reader has been given all up to these ends, which are
// behind records.
func (r *reader) reach(ctx context.Context, ends map[check.Place]int64) error {
	for at, end := range ends {
		for {
			r.mu.Lock()
			next := r.mu.next[at]
			r.mu.Unlock()
			if next >= end {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s has not been given %v beyond offset %d; it ends at %d", r.name, at, next, end)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return nil
}

// ends asks again and again where every partition ends.
type ends struct {
	history *history
	admin   *kadm.Client
}

const endsPause = 100 * time.Millisecond

func (e *ends) run(ctx, abort context.Context) {
	for ctx.Err() == nil {
		acked := e.history.acked()
		asking, cancel := context.WithTimeout(abort, callTimeout)
		told, err := e.admin.ListEndOffsets(asking, Bank, Plain, Register)
		cancel()
		if err == nil {
			told.Each(func(o kadm.ListedOffset) {
				at := check.Place{Topic: o.Topic, Partition: o.Partition}
				highest, some := acked[at]
				if o.Err == nil && o.Offset >= 0 {
					if !some {
						highest = -1
					}
					e.history.end(at, o.Offset, highest)
				}
			})
		}
		pause(ctx, endsPause)
	}
}
