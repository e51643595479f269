package work

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/chaos/check"
)

// Workload is all clients of a cluster. One goroutine drives it.
type Workload struct {
	options Options
	history *history
	writers []writer
	readers []*reader
	ends    *ends
	closers []func()

	stop context.CancelFunc // ends the round's writers
	busy sync.WaitGroup
}

// writer does things until ctx ends, and then returns as soon as it knows the
// outcome of what it did last. Its calls give up when abort ends.
type writer interface {
	run(ctx, abort context.Context)
}

// New creates the topics and the clients. All brokers must be ready.
func New(ctx context.Context, o Options) (*Workload, error) {
	w := &Workload{options: o, history: newHistory()}
	if err := w.build(ctx); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *Workload) build(ctx context.Context) error {
	admin, err := w.kafka()
	if err != nil {
		return err
	}
	if err := w.createTopics(ctx, kadm.NewClient(admin)); err != nil {
		return err
	}
	w.ends = &ends{w.history, kadm.NewClient(admin)}
	for i := range clients {
		if err := w.addBank(i); err != nil {
			return err
		}
	}
	if err := w.addRegistrars(); err != nil {
		return err
	}
	for p := range w.options.Partitions {
		cl, err := w.kafka(kgo.MaxBufferedRecords(400), kgo.ProducerLinger(0))
		if err != nil {
			return err
		}
		w.writers = append(w.writers, &producer{name: ProducerName(p), at: check.Place{Topic: Plain, Partition: p}, cl: cl, history: w.history, seed: w.options.Seed})
	}
	return w.addReaders()
}

// ProducerName is who writes to a partition of Plain.
func ProducerName(partition int32) string { return fmt.Sprintf("producer-%d", partition) }

// kafka is a stock client, closed with the workload.
func (w *Workload) kafka(opts ...kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(append(Settings(w.options.Brokers), opts...)...)
	if err == nil {
		w.closers = append(w.closers, cl.Close)
	}
	return cl, err
}

// appender is a client of package client.
func (w *Workload) appender() (*client.Client, error) {
	cl, err := w.kafka()
	if err != nil {
		return nil, err
	}
	c, err := client.New(cl, client.RequestTimeout(2*time.Second))
	if err == nil {
		w.closers = append(w.closers, c.Close)
	}
	return c, err
}

// Places are all partitions that the workload writes to.
func (w *Workload) Places() []check.Place {
	var all []check.Place
	for _, topic := range []string{Bank, Plain, Register} {
		for p := range w.options.Partitions {
			all = append(all, check.Place{Topic: topic, Partition: p})
		}
	}
	return all
}

func (w *Workload) createTopics(ctx context.Context, admin *kadm.Client) error {
	configs := map[string]*string{
		"min.insync.replicas": kadm.StringPtr(fmt.Sprint(w.options.MinInsync)),
		"segment.bytes":       kadm.StringPtr("1048576"), // many rolls
	}
	responses, err := admin.CreateTopics(ctx, w.options.Partitions, w.options.Replicas, configs, Bank, Plain, Register)
	if err != nil {
		return err
	}
	return responses.Error()
}

// Begin lets the writers go and begins to measure gaps.
func (w *Workload) Begin() {
	var watched []check.Place
	for _, at := range w.Places() {
		if at.Topic != Register {
			watched = append(watched, at)
		}
	}
	w.history.watch(watched)
	var ctx context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	for _, each := range append(w.writers, w.ends) {
		w.busy.Go(func() { each.run(ctx, context.Background()) })
	}
}

// Now is the workload's clock.
func (w *Workload) Now() time.Duration { return w.history.now() }

// Resumed waits until every partition has been written to since t.
func (w *Workload) Resumed(ctx context.Context, t time.Duration) error {
	for {
		still := w.history.movedSince(t)
		if len(still) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing was written to %v", still)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// errBusy: calls that should have ended have not.
var errBusy = errors.New("calls are still under way")

// End stops the writers and waits until nothing is in flight.
func (w *Workload) End(ctx context.Context) (Round, error) {
	w.stop()
	idle := make(chan struct{})
	go func() { // ends when the writers do, each within its timeouts
		w.busy.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return w.history.take(), nil
	case <-ctx.Done():
		return w.history.take(), errBusy
	}
}

// CaughtUp waits until every reader has been given all records up to these ends.
func (w *Workload) CaughtUp(ctx context.Context, ends map[check.Place]int64) error {
	for _, r := range w.readers {
		if err := r.reach(ctx, ends); err != nil {
			return err
		}
	}
	return nil
}

// Readings are what readers were given since they were last asked.
func (w *Workload) Readings() map[string][]check.Reading { return w.history.take().Readings }

// Close ends all clients.
func (w *Workload) Close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	for _, r := range w.readers {
		<-r.done
	}
}

// pause waits about d, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
