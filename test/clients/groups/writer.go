package main

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// writer writes one value after the other, each its own, until it is stopped.
type writer struct {
	cancel  context.CancelFunc
	done    sync.WaitGroup
	written []string // acknowledged
	err     error
}

func startWriter(ctx context.Context, cl *kgo.Client) *writer {
	w := &writer{}
	writing, cancel := context.WithCancel(ctx)
	w.cancel = cancel
	w.done.Go(func() {
		for i := 0; writing.Err() == nil && w.err == nil; i++ {
			value := valueOf(i)
			if w.err = cl.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); w.err == nil {
				w.written = append(w.written, value)
			}
			time.Sleep(pace)
		}
	})
	return w
}

// stop returns what was acknowledged.
func (w *writer) stop() ([]string, error) {
	w.cancel()
	w.done.Wait()
	return w.written, w.err
}
