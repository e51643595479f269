package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	deleteAfter = 200             // values are acknowledged
	absent      = 1 * time.Second // the topic is; what was acknowledged before is heard of by then
	leastAfter  = 500             // values that must be acknowledged of the topic that was made again
)

// makeAgain deletes the topic when the producer is well under way, and makes it
// again. The producer must go on: of its later values none that it calls
// acknowledged may be missing, and it must come to its last.
func makeAgain(ctx context.Context, r *rig, command []string) error {
	var mu sync.Mutex
	var acked []string
	underWay := make(chan struct{})
	remade := make(chan error, 1)
	again := 0 // acknowledged before the topic was there again
	go func() {
		<-underWay
		err := r.remake(ctx)
		mu.Lock()
		again = len(acked)
		mu.Unlock()
		remade <- err
	}()
	begin := sync.OnceFunc(func() { close(underWay) })
	err := produce(ctx, r.broker.direct, command, func(value string) {
		mu.Lock()
		defer mu.Unlock()
		if acked = append(acked, value); len(acked) == deleteAfter {
			begin()
		}
	})
	begin() // in any case
	err = errors.Join(err, <-remade)
	after := acked[again:]
	fmt.Fprintf(os.Stderr, "%s: %d acknowledged, %d of them after the topic was made again\n", r.topic, len(acked), len(after))
	if err := errors.Join(err, r.verify(ctx, after)); err != nil {
		return err
	}
	if last := fmt.Sprint(valuePrefix, records-1); len(after) < leastAfter || !slices.Contains(after, last) {
		return fmt.Errorf("the client gave up: %d records are acknowledged of the topic that was made again, %s among them: %v",
			len(after), last, slices.Contains(after, last))
	}
	return nil
}

func (r *rig) remake(ctx context.Context) error {
	if _, err := r.admin.DeleteTopic(ctx, r.topic); err != nil {
		return err
	}
	select {
	case <-time.After(absent):
	case <-ctx.Done():
		return ctx.Err()
	}
	return r.createTopic(ctx)
}
