package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lockstep-log/lockstep/test/bench/cpu"
	"github.com/lockstep-log/lockstep/test/bench/load"
	"github.com/lockstep-log/lockstep/test/bench/warm"
	"github.com/lockstep-log/lockstep/test/child"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	floorLine   = "{self} floor -listen {listen} -dir {dir} -fsync="
	holdsMax    = 1 << 30          // data of one server; it is started anew above that
	stuckAfter  = 60 * time.Second // beyond the time of a measurement
	neverFlush  = "9223372036854775807"
	alwaysFlush = "1"
)

// bench runs workloads one after the other and collects cells.
type bench struct {
	options
	dir    string
	log    io.Writer
	serial int // of directories and topics
}

func (b *bench) run(ctx context.Context) (*report, error) {
	r := newReport(b.options)
	for range b.rounds {
		for _, w := range workloads(b.quick) {
			if !b.only.MatchString(w.id) {
				continue
			}
			fmt.Fprintf(b.log, "%-24s %s\n", w.id, w.note)
			if err := warm.Pages(b.dir, b.warmBytes); err != nil {
				return nil, err
			}
			if err := b.round(ctx, w, r); err != nil {
				return nil, fmt.Errorf("%s: %w", w.id, err)
			}
		}
	}
	r.finish()
	return r, nil
}

// round measures each step of a workload twice. A failure of the server is
// noted and the rest still measured; only the end of ctx and of the floor end it.
func (b *bench) round(ctx context.Context, w workload, r *report) error {
	floor := &side{bench: b, line: floorLine + strconv.FormatBool(w.fsync)}
	server := &side{bench: b, line: b.server, topics: true}
	against := &side{bench: b, line: b.against, topics: true}
	defer floor.stop()
	defer server.stop()
	defer against.stop()
	for _, s := range thereAndBack(b.plan(w)) {
		on := server
		switch {
		case s.label == labelFloor:
			on = floor
		case s.against:
			on = against
		}
		if on.line == "" {
			continue
		}
		m, err := on.measure(ctx, w, s)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && on == floor {
			return err
		}
		r.add(w, s.label, m, err)
		if err != nil {
			fmt.Fprintf(b.log, "  %s failed: %v\n", s.label, err)
			on.stop()
		}
	}
	return nil
}

// plan is a workload's steps. With a second server each step is measured on both
// in turn, so that the two figures of a pair are neighbours in time.
func (b *bench) plan(w workload) []step {
	if b.against == "" {
		return w.steps
	}
	var plan []step
	for _, s := range w.steps {
		plan = append(plan, s)
		if s.label != labelFloor {
			plan = append(plan, step{label: labelAgainst(s.label), against: true, run: s.run})
		}
	}
	return plan
}

// side is the floor or a server under a workload: a process that is started
// when it is needed.
type side struct {
	bench  *bench
	line   string
	topics bool         // it has topics to be made and deleted; the floor has not
	proc   *child.Child // nil until it is needed
	filled place        // the shared topic of the workload, when it has one
}

func (s *side) stop() {
	if s.proc != nil {
		s.proc.Stop()
		s.proc, s.filled = nil, place{}
	}
}

func (s *side) start(ctx context.Context) error {
	if s.proc != nil && s.proc.Alive() && s.proc.Holds() < holdsMax {
		return nil
	}
	s.stop()
	s.bench.serial++
	c, err := startChild(ctx, s.line, filepath.Join(s.bench.dir, strconv.Itoa(s.bench.serial)))
	s.proc = c
	return err
}

func (s *side) measure(ctx context.Context, w workload, st step) (measurement, error) {
	if err := s.start(ctx); err != nil {
		return measurement{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.bench.time+stuckAfter)
	defer cancel()
	at, err := s.place(ctx, w)
	if err != nil {
		return measurement{}, err
	}
	limit := load.Limit{Bytes: s.bench.bytes, Duration: s.bench.time}
	m, err := s.timed(ctx, st, at, limit)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w; the server's last words: %s", err, s.proc.Tail())
		}
		return m, err
	}
	if w.fill.Records == 0 {
		err = s.deleteTopic(ctx, at.topic)
	}
	return m, err
}

// timed runs a burst and then the step between two readings of the clocks.
func (s *side) timed(ctx context.Context, st step, at place, limit load.Limit) (measurement, error) {
	if _, err := st.run(ctx, at, burst(limit)); err != nil {
		return measurement{}, err
	}
	before, err := readClocks(s.proc.Pid())
	if err != nil {
		return measurement{}, err
	}
	result, err := st.run(ctx, at, limit)
	if err != nil {
		return measurement{}, err
	}
	after, err := readClocks(s.proc.Pid())
	return newMeasurement(result, before, after), err
}

// place is a fresh topic, or the filled one that the workload's steps share.
func (s *side) place(ctx context.Context, w workload) (place, error) {
	if s.filled.topic != "" {
		return s.filled, nil
	}
	s.bench.serial++
	at := place{addr: s.proc.Addr, topic: fmt.Sprintf("bench-%d", s.bench.serial)}
	if err := s.createTopic(ctx, at.topic, w.fsync); err != nil {
		return at, fmt.Errorf("create topic: %w", err)
	}
	if w.fill.Records == 0 {
		return at, nil
	}
	r, err := load.Produce{Addr: at.addr, Topic: at.topic, Shape: w.fill, Conns: 2, InFlight: 5, Limit: load.Limit{Bytes: s.bench.bytes}}.Run(ctx)
	if err != nil {
		return at, fmt.Errorf("fill topic: %w", err)
	}
	at.records = r.Records
	s.filled = at
	return at, nil
}

func (s *side) createTopic(ctx context.Context, name string, fsync bool) error {
	flush := neverFlush
	if fsync {
		flush = alwaysFlush
	}
	return s.admin(func(a *kadm.Client) error {
		_, err := a.CreateTopic(ctx, 1, 1, map[string]*string{"flush.messages": &flush}, name)
		return err
	})
}

func (s *side) deleteTopic(ctx context.Context, name string) error {
	return s.admin(func(a *kadm.Client) error {
		_, err := a.DeleteTopic(ctx, name)
		return err
	})
}

func (s *side) admin(do func(*kadm.Client) error) error {
	if !s.topics {
		return nil
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.proc.Addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	return do(kadm.NewClient(cl))
}

// clocks are what a measurement lies between.
type clocks struct{ server, self, machine time.Duration }

func readClocks(pid int) (clocks, error) {
	var c clocks
	var err error
	if c.server, err = cpu.Process(pid); err != nil {
		return c, err
	}
	if c.self, err = cpu.Process(os.Getpid()); err != nil {
		return c, err
	}
	c.machine, err = cpu.Machine()
	return c, err
}
