package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/lockstep-log/lockstep/test/bench/warm"
	"github.com/lockstep-log/lockstep/test/child"
)

const stuckAfter = 30 * time.Second // beyond the time of a measurement

// run measures workloads one after the other and collects cells.
type run struct {
	options
	report *report
	log    io.Writer
	serial int // of directories, topics and streams
}

func (r *run) all(ctx context.Context) error {
	defer r.report.finish()
	for range r.rounds {
		for _, w := range workloads() {
			if !r.only.MatchString(w.id) {
				continue
			}
			if time.Since(r.report.began) > r.limit {
				r.report.skipped = append(r.report.skipped, w.id)
				continue
			}
			fmt.Fprintf(r.log, "%-16s %s\n", w.id, w.note)
			if err := warm.Pages(r.dir, r.warmBytes); err != nil {
				return err
			}
			if err := r.round(ctx, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// round measures each side twice, there and back: A B B A. A failure is noted
// and the rest still measured; only the end of ctx ends it.
func (r *run) round(ctx context.Context, w workload) error {
	r.serial++
	s := &servers{options: r.options, dir: filepath.Join(r.dir, strconv.Itoa(r.serial)), fsync: w.fsync, running: map[*system]*child.Child{}}
	defer s.stop()
	back := slices.Clone(w.sides)
	slices.Reverse(back)
	for _, side := range slices.Concat(w.sides, back) {
		m, err := r.measure(ctx, s, side)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.report.add(w, side.label, m, err)
		if err != nil {
			fmt.Fprintf(r.log, "  %s failed: %v\n", side.label, err)
		}
	}
	return nil
}

func (r *run) measure(ctx context.Context, s *servers, side side) (m measurement, err error) {
	p, err := s.get(ctx, side.on)
	if err != nil {
		return m, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.time+stuckAfter)
	defer cancel()
	r.serial++
	at := place{addr: p.Addr, name: "peers-" + strconv.Itoa(r.serial)}
	remove, err := side.on.place(ctx, at.addr, at.name, s.fsync)
	if err != nil {
		return m, fmt.Errorf("make %s: %w", at.name, err)
	}
	m, err = r.session(ctx, p, side, at)
	if err != nil {
		return m, fmt.Errorf("%w; the server's last words: %q", err, p.Tail())
	}
	return m, remove(ctx)
}

// session connects, loads for a moment that does not count, and then measures.
func (r *run) session(ctx context.Context, p *child.Child, side side, at place) (m measurement, err error) {
	load, err := side.open(ctx, at)
	if err != nil {
		return m, err
	}
	closed := false
	defer func() {
		if !closed {
			_ = load.close()
		}
	}()
	if _, err := load.run(ctx, min(r.time/8, 250*time.Millisecond)); err != nil {
		return m, err
	}
	before, err := readClocks(p.Pid())
	if err != nil {
		return m, err
	}
	seen, err := load.run(ctx, r.time)
	if err != nil {
		return m, err
	}
	after, err := readClocks(p.Pid())
	if err != nil {
		return m, err
	}
	closed = true
	return newMeasurement(seen, before, after), load.close()
}
