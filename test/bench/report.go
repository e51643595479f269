package main

import (
	"cmp"
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/test/bench/load"
)

// measurement is one run of one step.
type measurement struct {
	load.Result
	cpu     time.Duration // of the server
	foreign float64       // share of the machine that neither server nor load used
}

func newMeasurement(r load.Result, before, after clocks) measurement {
	m := measurement{Result: r, cpu: after.server - before.server}
	others := after.machine - before.machine - m.cpu - (after.self - before.self)
	m.foreign = max(0, others.Seconds()/(r.Elapsed.Seconds()*float64(runtime.NumCPU())))
	return m
}

// cpuPerRecord is in seconds.
func (m measurement) cpuPerRecord() float64 { return ratio(m.cpu.Seconds(), float64(m.Records)) }

// cell is a step's measurements, in the order they were made.
type cell struct {
	workload workload
	label    string
	runs     []measurement
	err      error // the last failure
}

// total sums the runs up.
func (c *cell) total() measurement {
	var t measurement
	for _, m := range c.runs {
		t.Add(m.Result)
		t.cpu += m.cpu
		t.foreign = max(t.foreign, m.foreign)
	}
	return t
}

// spread is the median of ratios and their extent.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func newSpread(v []float64) (spread, bool) {
	if len(v) == 0 {
		return spread{}, false
	}
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}, true
}

// versus compares two cells of one workload, run by run.
func (c *cell) versus(other *cell, figure func(measurement) float64) (spread, bool) {
	if c == nil || other == nil {
		return spread{}, false
	}
	var v []float64
	for i := range min(len(c.runs), len(other.runs)) {
		if base := figure(other.runs[i]); base > 0 {
			v = append(v, figure(c.runs[i])/base)
		}
	}
	return newSpread(v)
}

func rate(m measurement) float64 { return m.RecordsPerSecond() }
func cost(m measurement) float64 { return m.cpuPerRecord() }

// report is all cells of a run, in the order of the plan.
type report struct {
	options  options
	began    time.Time
	took     time.Duration
	cells    []*cell
	failures int
}

func newReport(o options) *report { return &report{options: o, began: time.Now()} }

func (r *report) finish() { r.took = time.Since(r.began) }

func (r *report) add(w workload, label string, m measurement, err error) {
	c := r.cell(w.id, label)
	if c == nil {
		c = &cell{workload: w, label: label}
		r.cells = append(r.cells, c)
	}
	if err != nil {
		c.err = cmp.Or(c.err, err)
		r.failures++
		return
	}
	c.runs = append(c.runs, m)
}

// cell is nil when nothing of that name was measured.
func (r *report) cell(id, label string) *cell {
	for _, c := range r.cells {
		if c.workload.id == id && c.label == label {
			return c
		}
	}
	return nil
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// figures are a cell as JSON has it.
type figures struct {
	Workload      string    `json:"workload"`
	Label         string    `json:"label"`
	Fsync         bool      `json:"fsync"`
	Runs          int       `json:"runs"`
	Error         string    `json:"error,omitempty"`
	RecordsPerSec float64   `json:"records_per_second"`
	MBPerSec      float64   `json:"mb_per_second"`
	P50           float64   `json:"p50_us"`
	P99           float64   `json:"p99_us"`
	P999          float64   `json:"p999_us"`
	CPUPerMillion float64   `json:"cpu_seconds_per_million_records"`
	CPUPerGB      float64   `json:"cpu_seconds_per_gb"`
	CPUPerRequest float64   `json:"cpu_us_per_request"`
	Foreign       float64   `json:"foreign_cpu_share"`
	RateRuns      []float64 `json:"records_per_second_runs"`
	RateToFloor   *spread   `json:"rate_to_floor,omitempty"`
	CostToFloor   *spread   `json:"cpu_to_floor,omitempty"`
	RateToAgainst *spread   `json:"rate_to_against,omitempty"`
	CostToAgainst *spread   `json:"cpu_to_against,omitempty"`
}

func (r *report) figures(c *cell) figures {
	t := c.total()
	f := figures{
		Workload: c.workload.id, Label: c.label, Fsync: c.workload.fsync, Runs: len(c.runs),
		RecordsPerSec: t.RecordsPerSecond(), MBPerSec: t.MegabytesPerSecond(),
		P50: micros(t, 50), P99: micros(t, 99), P999: micros(t, 99.9),
		CPUPerMillion: t.cpuPerRecord() * 1e6,
		CPUPerGB:      ratio(t.cpu.Seconds()*1e9, float64(t.Bytes)),
		CPUPerRequest: ratio(t.cpu.Seconds()*1e6, float64(t.Requests)),
		Foreign:       t.foreign,
	}
	if c.err != nil {
		f.Error = c.err.Error()
	}
	for _, m := range c.runs {
		f.RateRuns = append(f.RateRuns, rate(m))
	}
	if c.label != labelFloor {
		base := r.cell(c.workload.id, labelFloor)
		f.RateToFloor = maybe(c.versus(base, rate))
		f.CostToFloor = maybe(c.versus(base, cost))
		other := r.cell(c.workload.id, labelAgainst(c.label))
		f.RateToAgainst = maybe(c.versus(other, rate))
		f.CostToAgainst = maybe(c.versus(other, cost))
	}
	return f
}

func micros(m measurement, q float64) float64 { return float64(m.Quantile(q)) / 1e3 }

func maybe(s spread, ok bool) *spread {
	if !ok {
		return nil
	}
	return &s
}

// write leaves the figures as JSON.
func (r *report) write(path string) error {
	all := make([]figures, 0, len(r.cells))
	for _, c := range r.cells {
		all = append(all, r.figures(c))
	}
	b, err := json.MarshalIndent(map[string]any{
		"began": r.began, "seconds": r.took.Seconds(), "server": r.options.server, "against": r.options.against,
		"cpus": runtime.NumCPU(), "go": runtime.Version(), "cells": all, "aims": r.aims(),
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
