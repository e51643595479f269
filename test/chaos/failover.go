package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/chaos/work"
)

// loss is a way to lose a leader, and the project's aims for the gap in a
// client's writes; 0 is no aim.
type loss struct {
	name     string
	kind     string // the fault of the schedule that is most like it
	p50, max time.Duration
	needsNet bool
	hurt     func(context.Context, *chaos, *fault) error
	heal     func(context.Context, *chaos, *fault) error
}

var losses = []loss{
	{"controlled shutdown", "stop", 50 * time.Millisecond, 0, false,
		func(ctx context.Context, c *chaos, f *fault) error { return c.stopNode(ctx, c.victim(f)) }, startVictim},
	{"kill -9", "kill", 500 * time.Millisecond, 1500 * time.Millisecond, false,
		func(_ context.Context, c *chaos, f *fault) error { c.victim(f).Kill(); return nil }, startVictim},
	{"SIGSTOP", "pause", 0, 3 * time.Second, false,
		func(_ context.Context, c *chaos, f *fault) error { return c.victim(f).Pause() },
		func(_ context.Context, c *chaos, f *fault) error { return c.victim(f).Resume() }},
	{"cut link", "isolate", 0, 3 * time.Second, true,
		func(_ context.Context, c *chaos, f *fault) error {
			var errs []error
			for _, way := range bothWays(c.outward(f.node, true)) {
				errs = append(errs, c.net.Cut(way[0], way[1]))
			}
			return errors.Join(errs...)
		},
		func(_ context.Context, c *chaos, _ *fault) error { return c.net.Heal() }},
}

func startVictim(_ context.Context, c *chaos, f *fault) error { return c.victim(f).Start() }

// pen writes to one partition all the time and notes when it was told so.
type pen struct {
	name string
	cl   *kgo.Client

	mu struct {
		sync.Mutex
		acks []time.Time
		errs []error
	}
}

const (
	penTopic = work.Bank // which leader asks for
	penEvery = 2 * time.Millisecond
	before   = 700 * time.Millisecond
	gapMax   = 60 * time.Second
)

// pens are the clients whose gaps are measured: one with franz-go's settings as
// they are, and one that gives up a silent broker sooner and has one request in
// flight: each of them tries the silent broker by itself, one after the other.
func (c *chaos) pens() ([]*pen, error) {
	stock := []kgo.Opt{kgo.SeedBrokers(c.rig.Kafka()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}
	var pens []*pen
	for _, p := range []struct {
		name string
		opts []kgo.Opt
	}{{"stock", stock}, {"quick", append(work.Settings(c.rig.Kafka()), kgo.MaxProduceRequestsInflightPerBroker(1))}} {
		if c.options.failover != "both" && c.options.failover != p.name {
			continue
		}
		cl, err := kgo.NewClient(append(p.opts, kgo.ProducerLinger(0))...)
		if err != nil {
			return nil, err
		}
		pens = append(pens, &pen{name: p.name, cl: cl})
	}
	if len(pens) == 0 {
		return nil, fmt.Errorf("there are no client settings %q; there are stock, quick and both", c.options.failover)
	}
	return pens, nil
}

func (p *pen) write(ctx context.Context) {
	tick := time.NewTicker(penEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.cl.TryProduce(ctx, &kgo.Record{Topic: penTopic, Value: []byte("x")}, func(_ *kgo.Record, err error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			switch {
			case err == nil:
				p.mu.acks = append(p.mu.acks, time.Now())
			case ctx.Err() == nil && !errors.Is(err, kgo.ErrMaxBuffered):
				p.mu.errs = append(p.mu.errs, err)
			}
		})
	}
}

// gap is the longest time without an acknowledgement around a moment, once
// writes go on: when some came for a whole 200 ms without a longer break.
func (p *pen) gap(around time.Time) (gap time.Duration, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, flowing := time.Time{}, time.Time{}
	for _, at := range p.mu.acks {
		if d := at.Sub(last); !last.IsZero() && at.After(around) {
			gap = max(gap, d)
			if d > 100*time.Millisecond || flowing.IsZero() {
				flowing = at
			}
		}
		last = at
	}
	return gap, !flowing.IsZero() && last.Sub(flowing) > 200*time.Millisecond && last.Sub(around) > 300*time.Millisecond && time.Since(last) < 100*time.Millisecond
}

func (p *pen) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.acks = nil
}

const (
	failoverHead = "%-20s  %-6s  %6s  %9s  %9s  %s\n"
	failoverLine = "%-20s  %-6s  %6d  %6d ms  %6d ms  %s\n"
)

// failover loses the leader in each way and prints how long clients could not
// write.
func (c *chaos) failover(ctx context.Context) error {
	minInsync := fmt.Sprint((c.options.brokers + 1) / 2)
	made, err := c.admin.CreateTopics(ctx, 1, int16(c.options.brokers), map[string]*string{"min.insync.replicas": &minInsync}, work.Bank, work.Plain, work.Register)
	if err = errors.Join(err, made.Error()); err != nil {
		return err
	}
	pens, err := c.pens()
	if err != nil {
		return err
	}
	writing, stop := context.WithCancel(ctx)
	var busy sync.WaitGroup
	for _, p := range pens {
		busy.Go(func() { p.write(writing) })
		defer p.cl.Close()
	}
	defer busy.Wait()
	defer stop()
	fmt.Printf(failoverHead, "leader lost by", "client", "rounds", "p50", "max", "aim")
	for _, l := range losses {
		if len(c.options.only) > 0 && !slices.Contains(c.options.only, l.kind) {
			continue
		}
		if l.needsNet && c.net == nil {
			fmt.Printf("%-20s  skip: no network namespaces\n", l.name)
			continue
		}
		gaps := map[*pen][]time.Duration{}
		for range c.options.each {
			if err := c.lose(ctx, l, pens, gaps); err != nil {
				return c.withTails(fmt.Errorf("%s: %w", l.name, err))
			}
		}
		for _, p := range pens {
			slices.Sort(gaps[p])
			p50, most := gaps[p][len(gaps[p])/2], gaps[p][len(gaps[p])-1]
			fmt.Printf(failoverLine, l.name, p.name, len(gaps[p]), p50.Milliseconds(), most.Milliseconds(), l.aims(p50, most))
		}
	}
	for _, p := range pens {
		if len(p.mu.errs) > 0 {
			err = errors.Join(err, fmt.Errorf("client %s was told of %d errors, first %w", p.name, len(p.mu.errs), p.mu.errs[0]))
		}
	}
	return err
}

func (l *loss) aims(p50, most time.Duration) string {
	told := ""
	one := func(what string, got, aim time.Duration) {
		if aim > 0 {
			word := "met"
			if got > aim {
				word = "MISSED"
			}
			told += fmt.Sprintf("%s ≤ %d ms %s ", what, aim.Milliseconds(), word)
		}
	}
	one("p50", p50, l.p50)
	one("max", most, l.max)
	return told
}

// lose is one round.
func (c *chaos) lose(ctx context.Context, l loss, pens []*pen, gaps map[*pen][]time.Duration) error {
	if err := c.within(ctx, wholeWithin, c.healthy); err != nil {
		return err
	}
	for _, p := range pens {
		p.forget()
	}
	if err := c.hold(ctx, before); err != nil {
		return err
	}
	leader, err := c.leader(ctx, 0)
	if err != nil {
		return err
	}
	f := &fault{}
	f.aim(leader, c.options.brokers)
	c.say("%s of broker %d", l.name, leader)
	at := time.Now()
	hurt := make(chan error, 1)
	go func() { hurt <- l.hurt(ctx, c, f) }() // waited for below; a shutdown takes a while
	for _, p := range pens {
		for {
			gap, over := p.gap(at)
			if over {
				gaps[p] = append(gaps[p], gap)
				c.say("%s: %s: %v", l.name, p.name, gap)
				break
			}
			if time.Since(at) > gapMax {
				return fmt.Errorf("client %s does not write again after %v", p.name, gapMax)
			}
			if err := c.hold(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return errors.Join(<-hurt, l.heal(ctx, c, f))
}
