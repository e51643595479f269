package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/test/chaos/check"
	"github.com/lockstep-log/lockstep/test/chaos/rig"
	"github.com/lockstep-log/lockstep/test/chaos/work"
)

// chaos is one run.
type chaos struct {
	options options
	rig     *rig.Rig
	net     *rig.Network // nil: no link can be cut
	work    *work.Workload
	cl      *kgo.Client
	admin   *kadm.Client
	ledger  *ledger
	began   time.Time
}

const (
	partitions  = 4
	diskBytes   = 2 << 30
	warmUp      = time.Second
	coolDown    = time.Second / 2
	startWithin = 60 * time.Second
	// resumeWithin is how soon after a fault is healed every partition must be
	// written to again, and wholeWithin how soon all replicas must be in sync.
	resumeWithin = 30 * time.Second
	wholeWithin  = 60 * time.Second
	endWithin    = 60 * time.Second
)

// run makes a cluster and hurts it.
func run(ctx context.Context, args []string) (err error) {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	c := &chaos{options: o, began: time.Now()}
	if !o.loopback {
		c.net, err = rig.Enter(o.brokers) // executes the program anew
		if err != nil {
			fmt.Printf("skip: faults of links, for there are no network namespaces: %v\n", err)
		}
	}
	if c.net != nil {
		defer c.net.Close()
	}
	if err := c.directory(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.leave(err == nil)) }()
	if err := c.raise(ctx); err != nil {
		return err
	}
	if o.failover != "" {
		return c.failover(ctx)
	}
	return c.hurt(ctx)
}

func (c *chaos) directory() (err error) {
	if c.options.dir == "" {
		c.options.dir, err = os.MkdirTemp("", "lockstep-chaos-")
		return err
	}
	return os.MkdirAll(c.options.dir, 0o755)
}

// raise starts the cluster.
func (c *chaos) raise(ctx context.Context) (err error) {
	o := rig.Options{Binary: c.options.binary, Dir: c.options.dir, Nodes: c.options.brokers, Network: c.net}
	if !c.options.loopback {
		o.DiskBytes = diskBytes
	}
	if o.Binary, err = filepath.Abs(o.Binary); err != nil {
		return err
	}
	if c.rig, err = rig.New(o); err != nil {
		fmt.Printf("skip: faults of disks, for there are no file systems of our own: %v\n", err)
		o.DiskBytes = 0
		if c.rig, err = rig.New(o); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := c.rig.Start(ctx); err != nil {
		return c.withTails(err)
	}
	if c.cl, err = kgo.NewClient(work.Settings(c.rig.Kafka())...); err != nil {
		return err
	}
	c.admin = kadm.NewClient(c.cl)
	return nil
}

// withTails adds what the brokers said last.
func (c *chaos) withTails(err error) error {
	for _, n := range c.rig.Nodes {
		err = fmt.Errorf("%w\n--- broker %d said last:\n%s", err, n.ID, n.Tail())
	}
	return err
}

// leave ends everything and removes what it left, unless somebody will want to
// look at it.
func (c *chaos) leave(well bool) error {
	if c.work != nil {
		c.work.Close()
	}
	if c.cl != nil {
		c.cl.Close()
	}
	var err error
	if c.rig != nil {
		err = c.rig.Close()
	}
	if well && !c.options.keep {
		return errors.Join(err, os.RemoveAll(c.options.dir))
	}
	fmt.Printf("data and logs are kept in %s\n", c.options.dir)
	return err
}

// able are the kinds that can be done here.
func (c *chaos) able() []*kind {
	_, noStrace := exec.LookPath("strace")
	var able []*kind
	var missing []string
	for _, k := range kinds {
		switch {
		case len(c.options.only) > 0 && !slices.Contains(c.options.only, k.name):
		case k.needs&needsNetwork != 0 && c.net == nil,
			k.needs&needsDisk != 0 && c.rig.Nodes[0].Disk == nil,
			k.needs&needsStrace != 0 && noStrace != nil,
			k.needs&needsThree != 0 && c.options.brokers < 3:
			missing = append(missing, k.name)
		default:
			able = append(able, k)
		}
	}
	if len(missing) > 0 {
		fmt.Printf("skip: %s\n", strings.Join(missing, ", "))
	}
	return able
}

// hurt runs the schedule.
func (c *chaos) hurt(ctx context.Context) (err error) {
	able := c.able()
	if len(able) == 0 {
		return errors.New("none of these faults can be done here")
	}
	c.work, err = work.New(ctx, work.Options{
		Brokers: c.rig.Kafka(), Partitions: partitions, Seed: c.options.seed,
		Replicas: int16(c.options.brokers), MinInsync: (c.options.brokers + 1) / 2,
	})
	if err != nil {
		return c.withTails(err)
	}
	c.ledger = newLedger(c.work)
	fmt.Printf("chaos: %d rounds, seed %d\n", c.options.rounds, c.options.seed)
	for i, f := range schedule(c.options.seed, c.options.rounds, c.options.brokers, partitions, able) {
		if err := c.round(ctx, i+1, &f); err != nil {
			return c.lost(i+1, err)
		}
		if (i+1)%c.options.compare == 0 && i+1 < c.options.rounds {
			if err := c.compare(ctx); err != nil {
				return c.lost(i+1, err)
			}
		}
	}
	if err := c.compare(ctx); err != nil {
		return c.lost(c.options.rounds, err)
	}
	if err := c.audit(ctx); err != nil {
		return c.lost(c.options.rounds, err)
	}
	fmt.Printf("verdict: %d rounds in %s, seed %d: %s; nothing lost, doubled, reordered or wrongly judged; replicas equal; audit clean\n",
		c.options.rounds, time.Since(c.began).Round(time.Second), c.options.seed, c.ledger.totals())
	return nil
}

// lost is the verdict when something is wrong.
func (c *chaos) lost(round int, err error) error {
	return c.withTails(fmt.Errorf("verdict: FAILED in round %d of seed %d: %w", round, c.options.seed, err))
}

// round is one fault under load, and the judgement.
func (c *chaos) round(ctx context.Context, number int, f *fault) error {
	victim := f.node
	if f.leader >= 0 {
		leader, err := c.leader(ctx, f.leader)
		if err != nil {
			return err
		}
		victim = leader
	}
	f.aim(victim, c.options.brokers)
	c.say("round %d: %v, node %d, others %v", number, f, f.node, f.others)
	c.work.Begin()
	if err := c.hold(ctx, warmUp); err != nil {
		return err
	}
	failed := f.kind.do(ctx, c, f)
	healed := c.work.Now()
	c.say("healed")
	resumed := c.within(ctx, resumeWithin, func(ctx context.Context) error { return c.work.Resumed(ctx, healed) })
	back := c.work.Now() - healed
	c.say("resumed after %v", back)
	_ = c.hold(ctx, coolDown)
	var history work.Round
	ended := c.within(ctx, endWithin, func(ctx context.Context) (err error) { history, err = c.work.End(ctx); return err })
	whole := c.within(ctx, wholeWithin, c.healthy)
	c.say("whole")
	err := errors.Join(failed, resumed, ended, whole, c.alive())
	if err != nil {
		err = errors.Join(err, violations(history.Complaints)) // the rest cannot be judged
	} else {
		err = c.within(ctx, wholeWithin, func(ctx context.Context) error { return c.ledger.judge(ctx, c, &history) })
	}
	fmt.Printf("%4d  %v  gap %5.2fs %-10v  back %5.2fs  %s\n", number, f, history.Gap.Seconds(), history.GapAt, back.Seconds(), counts(history.Appends))
	return err
}

func (c *chaos) within(ctx context.Context, d time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return do(ctx)
}

// say tells a step, if that is wanted.
func (c *chaos) say(format string, args ...any) {
	if c.options.verbose {
		fmt.Printf(time.Now().UTC().Format("15:04:05.000 ")+format+"\n", args...)
	}
}

// alive finds brokers that have ended by themselves.
func (c *chaos) alive() error {
	var errs []error
	for _, n := range c.rig.Nodes {
		if !n.Running() {
			errs = append(errs, fmt.Errorf("broker %d has ended by itself", n.ID))
		}
	}
	return errors.Join(errs...)
}

// leader of a partition of the bank.
func (c *chaos) leader(ctx context.Context, partition int32) (int, error) {
	topics, err := c.admin.ListTopics(ctx, work.Bank)
	if err != nil {
		return 0, err
	}
	leader := topics[work.Bank].Partitions[partition].Leader
	if leader < 1 {
		return 0, fmt.Errorf("nobody leads %s-%d", work.Bank, partition)
	}
	return int(leader), nil
}

// healthy waits until all brokers are ready and every partition has a leader and
// all of its replicas in sync.
func (c *chaos) healthy(ctx context.Context) error {
	if err := c.rig.Ready(ctx); err != nil {
		return err
	}
	for {
		err := c.whole(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// whole asks every broker by itself: one that was cut off may not know yet what
// the others have decided.
func (c *chaos) whole(ctx context.Context) error {
	var errs []error
	epochs := map[check.Place]int32{}
	for _, n := range c.rig.Nodes {
		req := kmsg.NewPtrMetadataRequest()
		for _, name := range []string{work.Bank, work.Plain, work.Register} {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = kmsg.StringPtr(name)
			req.Topics = append(req.Topics, t)
		}
		resp, err := req.RequestWith(ctx, c.cl.Broker(n.ID))
		if err != nil {
			return fmt.Errorf("ask broker %d: %w", n.ID, err)
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				at := check.Place{Topic: *t.Topic, Partition: p.Partition}
				epoch, told := epochs[at]
				if epochs[at] = p.LeaderEpoch; p.Leader < 0 || len(p.ISR) != c.options.brokers || told && epoch != p.LeaderEpoch {
					errs = append(errs, fmt.Errorf("%v: leader %d of epoch %d, in sync %v, says broker %d", at, p.Leader, p.LeaderEpoch, p.ISR, n.ID))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// ends is where every partition ends.
func (c *chaos) ends(ctx context.Context) (map[check.Place]int64, error) {
	told, err := c.admin.ListEndOffsets(ctx, work.Bank, work.Plain, work.Register)
	if err != nil {
		return nil, err
	}
	all := map[check.Place]int64{}
	told.Each(func(o kadm.ListedOffset) {
		if o.Err != nil {
			err = fmt.Errorf("%s-%d: %w", o.Topic, o.Partition, o.Err)
		}
		all[check.Place{Topic: o.Topic, Partition: o.Partition}] = o.Offset
	})
	return all, err
}
