package main

import (
	"math"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lockstep-log/lockstep/test/bench/cpu"
)

// result is what one session saw in one run.
type result struct {
	done    int64 // writes that were committed
	tries   int64 // writes that were sent for them
	elapsed time.Duration
	latency *hdrhistogram.Histogram // nanoseconds, from the wish to the commit; nil where nobody waits for one write
}

// newLatency covers 1 us to a minute with three digits.
func newLatency() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(time.Microsecond), int64(time.Minute), 3)
}

func (r *result) record(d time.Duration) {
	_ = r.latency.RecordValue(int64(min(d, time.Minute)))
}

// join adds what another writer of the same run saw.
func (r *result) join(o result) {
	r.done += o.done
	r.tries += o.tries
	if o.latency == nil {
		return
	}
	if r.latency == nil {
		r.latency = newLatency()
	}
	r.latency.Merge(o.latency)
}

// clocks are what a measurement lies between.
type clocks struct{ server, self, machine time.Duration }

func readClocks(pid int) (c clocks, err error) {
	if c.server, err = cpu.Process(pid); err != nil {
		return c, err
	}
	if c.self, err = cpu.Process(os.Getpid()); err != nil {
		return c, err
	}
	c.machine, err = cpu.Machine()
	return c, err
}

// measurement is a result and the processor time that it took.
type measurement struct {
	result
	server, self time.Duration
	foreign      float64 // share of the machine that neither server nor load used
}

func newMeasurement(r result, before, after clocks) measurement {
	m := measurement{result: r, server: after.server - before.server, self: after.self - before.self}
	others := after.machine - before.machine - m.server - m.self
	m.foreign = max(0, others.Seconds()/(r.elapsed.Seconds()*float64(runtime.NumCPU())))
	return m
}

// The figures of a measurement; NaN is not measured.

func rate(m measurement) float64  { return ratio(float64(m.done), m.elapsed.Seconds()) }
func tries(m measurement) float64 { return ratio(float64(m.tries), float64(m.done)) }
func cost(m measurement) float64  { return ratio(float64(m.server.Microseconds()), float64(m.done)) }
func load(m measurement) float64  { return ratio(float64(m.self.Microseconds()), float64(m.done)) }
func whole(m measurement) float64 { return cost(m) + load(m) }
func p50(m measurement) float64   { return m.quantile(50) }
func p99(m measurement) float64   { return m.quantile(99) }

// quantile is a latency in microseconds.
func (m measurement) quantile(q float64) float64 {
	if m.latency == nil {
		return math.NaN()
	}
	return float64(m.latency.ValueAtQuantile(q)) / 1e3
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

// spread is a median and its extent.
type spread struct{ median, least, most float64 }

// newSpread leaves out what was not measured; ok is false if nothing was.
func newSpread(v []float64) (s spread, ok bool) {
	v = slices.DeleteFunc(v, math.IsNaN)
	if len(v) == 0 {
		return s, false
	}
	slices.Sort(v)
	n := len(v)
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}, true
}

// cell is what was measured of one side of a workload, in order.
type cell struct {
	workload, label string
	runs            []measurement
	err             error // the first failure
}

func (c *cell) spread(figure func(measurement) float64) (spread, bool) {
	var v []float64
	for _, m := range c.runs {
		v = append(v, figure(m))
	}
	return newSpread(v)
}

// versus compares two cells, run by run.
func (c *cell) versus(base *cell, figure func(measurement) float64) (spread, bool) {
	var v []float64
	for i := range min(len(c.runs), len(base.runs)) {
		v = append(v, ratio(figure(c.runs[i]), figure(base.runs[i])))
	}
	return newSpread(v)
}
