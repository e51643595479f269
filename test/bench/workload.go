package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/test/bench/load"
)

// The labels of what is measured in a workload, beside the floor.
const (
	labelFloor = "floor"
	labelPlain = "plain"
)

func labelLocks(n int) string {
	if n == 0 {
		return labelPlain
	}
	if n == 1 {
		return "1 lock"
	}
	return fmt.Sprintf("%d locks", n)
}

// labelAgainst is the label of the same step on the server that is compared with.
func labelAgainst(label string) string { return label + " (against)" }

// workload is what is measured on one floor and one server, both fresh.
type workload struct {
	id    string // mode/size/sync
	note  string // what it does, in words
	fsync bool
	fill  load.Shape // Records > 0: all steps share one topic, filled with this shape first
	steps []step     // the floor's first
}

// step is one measurement of a workload.
type step struct {
	label   string
	against bool // on the server that is compared with
	run     func(ctx context.Context, at place, limit load.Limit) (load.Result, error)
}

// place is where a step's load goes.
type place struct {
	addr, topic string
	records     int64 // that the fill has written
}

// mode is how requests are sent.
type mode struct {
	id, note        string
	conns, inFlight int
	batch           int // records of 100 B or 1 KiB
	rate            float64
}

var modes = []mode{
	{id: "batched", note: "100 records a batch, 2 connections x 5 in flight", conns: 2, inFlight: 5, batch: 100},
	{id: "single20", note: "1 record a batch, 4 connections x 5 in flight", conns: 4, inFlight: 5, batch: 1},
	{id: "single1", note: "1 record a batch, one at a time", conns: 1, inFlight: 1, batch: 1},
}

var sizes = []struct {
	id    string
	bytes int
}{{"100B", 100}, {"1KiB", 1024}}

// workloads is the plan of a run.
func workloads(quick bool) []workload {
	var all []workload
	locks := []int{0, 1, 2, 8}
	if quick {
		locks = []int{0, 1}
	}
	for _, size := range sizes {
		if quick && size.bytes > 100 {
			continue
		}
		for _, m := range modes {
			for _, fsync := range []bool{false, true} {
				all = append(all, produce(m, size.id, load.Shape{Records: m.batch, Value: size.bytes}, fsync, locks...))
			}
		}
		all = append(all, consume(size.id, size.bytes), stock(size.id, size.bytes), stockConsume(size.id, size.bytes))
	}
	for _, fsync := range []bool{false, true} {
		large := mode{id: "large", note: "batches near 1 MB, 2 connections x 5 in flight", conns: 2, inFlight: 5}
		all = append(all, produce(large, "1KiB", load.Shape{Records: 900, Value: 1024}, fsync, 0))
		large.note = "1000 records a batch, 2 connections x 5 in flight"
		all = append(all, produce(large, "100B", load.Shape{Records: 1000, Value: 100}, fsync, 0))
	}
	paced := mode{id: "paced", note: "open loop, 2,000 single records a second, latency from the schedule", conns: 4, inFlight: 5, rate: 2000}
	return append(all, produce(paced, "100B", load.Shape{Records: 1, Value: 100}, true, 0, 1))
}

func syncID(fsync bool) string {
	if fsync {
		return "fsync"
	}
	return "nosync"
}

// produce measures the floor with plain batches, and the server with each number of locks.
func produce(m mode, size string, shape load.Shape, fsync bool, locks ...int) workload {
	w := workload{id: m.id + "/" + size + "/" + syncID(fsync), note: "raw wire, " + m.note, fsync: fsync}
	for i, n := range append([]int{0}, locks...) {
		s := step{label: labelLocks(n)}
		if i == 0 {
			s.label = labelFloor
		}
		shape := shape
		shape.Locks = n
		s.run = func(ctx context.Context, at place, limit load.Limit) (load.Result, error) {
			return load.Produce{Addr: at.addr, Topic: at.topic, Shape: shape, Conns: m.conns,
				InFlight: m.inFlight, Limit: limit, Rate: m.rate}.Run(ctx)
		}
		w.steps = append(w.steps, s)
	}
	return w
}

// consume measures raw fetches of what was written, which lies in the page cache.
func consume(size string, value int) workload {
	w := workload{id: "consume/" + size, note: "raw wire, 2 connections read the log in fetches of 1 MiB",
		fill: load.Shape{Records: 100, Value: value}}
	run := func(ctx context.Context, at place, limit load.Limit) (load.Result, error) {
		limit.Bytes *= 4 // reading leaves no data behind
		return load.Consume{Addr: at.addr, Topic: at.topic, Conns: 2, Limit: limit}.Run(ctx)
	}
	w.steps = []step{{label: labelFloor, run: run}, {label: labelPlain, run: run}}
	return w
}

// stock measures a franz-go client that produces and one that consumes.
func stock(size string, value int) workload {
	w := workload{id: "stock/" + size, note: "franz-go with its own settings, uncompressed; MB are of values", fsync: true}
	shape := load.Shape{Value: value}
	for i, n := range []int{0, 0, 1} {
		s := step{label: labelLocks(n)}
		if i == 0 {
			s.label = labelFloor
		}
		shape := shape
		shape.Locks = n
		s.run = func(ctx context.Context, at place, limit load.Limit) (load.Result, error) {
			return load.StockProduce{Addr: at.addr, Topic: at.topic, Shape: shape, Limit: limit}.Run(ctx)
		}
		w.steps = append(w.steps, s)
	}
	return w
}

// stockConsume reads with a franz-go client what a raw load has written.
func stockConsume(size string, value int) workload {
	w := workload{id: "stock-consume/" + size, note: "franz-go with its own settings; MB are of values",
		fill: load.Shape{Records: 100, Value: value}}
	run := func(ctx context.Context, at place, _ load.Limit) (load.Result, error) {
		return load.StockConsume{Addr: at.addr, Topic: at.topic, Records: at.records}.Run(ctx)
	}
	w.steps = []step{{label: labelFloor, run: run}, {label: labelPlain, run: run}}
	return w
}

// thereAndBack is the order of a round: A B C C B A.
func thereAndBack(steps []step) []step {
	back := slices.Clone(steps)
	slices.Reverse(back)
	return slices.Concat(steps, back)
}

// burst is the part of a measurement that is run before it, and thrown away.
func burst(l load.Limit) load.Limit {
	return load.Limit{Bytes: l.Bytes / 16, Duration: min(l.Duration/8, 250*time.Millisecond)}
}
