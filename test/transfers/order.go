package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

const topic = "bank"

// place is what every process of the crew must know.
type place struct {
	Brokers []string
	Bank    ledger.Bank
}

// obey is the main of a process of the crew: it carries its order out until its
// standard input ends, which is how it is asked to come to an end.
func obey[O any](text string, carryOut func(O, context.Context) error) error {
	var o O
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("order %q: %w", text, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { // until the process ends: nothing else ends a read
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return carryOut(o, ctx)
}

// reachWithin is how long the brokers may be out of reach when a process starts.
const reachWithin = 60 * time.Second

// extended returns an extended producer, and what closes it. The brokers may be
// dead at the moment.
func (p place) extended(ctx context.Context) (*client.Client, func(), error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.Brokers...))
	if err != nil {
		return nil, nil, err
	}
	began := time.Now()
	for {
		c, err := client.New(cl)
		if err == nil {
			return c, func() { c.Close(); cl.Close() }, nil
		}
		if errors.Is(err, client.ErrUnsupported) || time.Since(began) > reachWithin || !pause(ctx, 100*time.Millisecond) {
			cl.Close()
			return nil, nil, err
		}
	}
}

// pause reports whether the time has passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
