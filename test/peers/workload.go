package main

import (
	"context"
	"fmt"
	"time"
)

// The labels of what is measured.
const (
	labelLockstep = "Lockstep"
	labelWire     = "Lockstep, raw wire"
	labelNATS     = "NATS"
	labelBackoff  = "NATS, backing off"
	labelFast     = "NATS, fast batch"
	labelPlain    = "plain kgo"
	labelNone     = "none refused"
	labelRefused  = "1 % refused"
)

func labelLocks(n int) string {
	if n == 1 {
		return "1 lock"
	}
	return fmt.Sprintf("%d locks", n)
}

// place is where a load goes: a topic of one partition, or a stream.
type place struct{ addr, name string }

// session is one side's clients, connected.
type session interface {
	// run loads the server for a time and waits for all answers.
	run(ctx context.Context, d time.Duration) (result, error)
	close() error
}

// side is one of those that are measured beside each other.
type side struct {
	label string
	on    *system
	open  func(ctx context.Context, at place) (session, error)
}

// workload is measured on fresh servers, side by side.
type workload struct {
	id    string // load/fsync or load/nosync
	note  string
	fsync bool
	sides []side
}

var syncs = []bool{false, true}

func syncID(fsync bool) string {
	if fsync {
		return "/fsync"
	}
	return "/nosync"
}

// workloads is the plan of a run.
func workloads() []workload {
	var all []workload
	for _, n := range []int{2, 8, 32} {
		all = append(all, hot(n, false))
	}
	all = append(all, hot(8, true))
	for _, fsync := range syncs {
		all = append(all, async(fsync))
	}
	for _, fsync := range syncs {
		all = append(all, single(fsync))
	}
	all = append(all, atomic8())
	for _, fsync := range syncs {
		all = append(all, own(fsync))
	}
	return append(all, refusals())
}

func hot(writers int, fsync bool) workload {
	return workload{id: fmt.Sprintf("hot/%d", writers) + syncID(fsync), fsync: fsync,
		note: fmt.Sprintf("%d writers on one lock, or subject; a connection each", writers),
		sides: []side{
			{labelLockstep, lockstep, func(ctx context.Context, at place) (session, error) { return newHotViews(ctx, at, writers) }},
			{labelNATS, jetStream, func(ctx context.Context, at place) (session, error) { return newHotSubject(ctx, at, writers, false) }},
			{labelBackoff, jetStream, func(ctx context.Context, at place) (session, error) { return newHotSubject(ctx, at, writers, true) }},
		}}
}

func async(fsync bool) workload {
	return workload{id: "async" + syncID(fsync), fsync: fsync,
		note: fmt.Sprintf("one client, 100 B, one lock or subject of %d each, nobody contends", names),
		sides: []side{
			{labelLockstep, lockstep, func(ctx context.Context, at place) (session, error) { return newAsyncAppends(ctx, at, 1, 0) }},
			{labelNATS, jetStream, newAsyncPublishes},
			{labelFast, jetStream, newFastBatch},
			{labelWire, lockstep, newRawWire},
		}}
}

func single(fsync bool) workload {
	return workload{id: "single" + syncID(fsync), fsync: fsync, note: "the same, one in flight",
		sides: []side{
			{labelLockstep, lockstep, newSingleAppends},
			{labelNATS, jetStream, newSinglePublishes},
		}}
}

func atomic8() workload {
	return workload{id: "atomic8/nosync", note: "eight locks by one append; eight subjects by an atomic batch, eight batches at once",
		sides: []side{
			{labelLockstep, lockstep, func(ctx context.Context, at place) (session, error) { return newAsyncAppends(ctx, at, batchLocks, 0) }},
			{labelNATS, jetStream, newAtomicBatches},
		}}
}

// own compares the extended producer with kgo's own.
func own(fsync bool) workload {
	w := workload{id: "own" + syncID(fsync), fsync: fsync, note: "one client, 100 B: conditional appends beside kgo's plain producer",
		sides: []side{{labelPlain, lockstep, newPlain}}}
	for _, n := range []int{1, 2, 8} {
		w.sides = append(w.sides, side{labelLocks(n), lockstep,
			func(ctx context.Context, at place) (session, error) { return newAsyncAppends(ctx, at, n, 0) }})
	}
	return w
}

// refusals counts what is admitted only.
func refusals() workload {
	return workload{id: "refused/fsync", fsync: true, note: "one client, 100 B, one lock: one append of a hundred in conflict, beside none",
		sides: []side{
			{labelNone, lockstep, func(ctx context.Context, at place) (session, error) { return newAsyncAppends(ctx, at, 1, 0) }},
			{labelRefused, lockstep, func(ctx context.Context, at place) (session, error) { return newAsyncAppends(ctx, at, 1, 100) }},
		}}
}
