package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lockstep-log/lockstep/test/chaos/rig"
)

// needs is what a kind of fault needs of the machine or the cluster.
type needs int

const (
	needsNetwork needs = 1 << iota
	needsDisk
	needsStrace
	needsThree // brokers
)

// kind is a kind of fault. do injects it, holds it and heals it: when it returns
// all brokers run, and all links and disks are whole.
type kind struct {
	name, does  string
	weight      int           // in the deck; 0: only when it is asked for, so that seeds keep their schedules
	least, most time.Duration // for how long it holds
	needs       needs
	do          func(context.Context, *chaos, *fault) error
}

const second = time.Second

var kinds = []*kind{
	{"kill", "kill -9 of a broker", 3, second / 2, 4 * second, 0, kill},
	{"kill-twice", "kill -9 of a broker, and of another when the first is just back", 1, second / 10, second, needsThree, killTwice},
	{"kill-all", "kill -9 of all brokers at once", 1, second / 10, second, 0, killAll},
	{"stop", "a broker stops when asked, and starts again", 1, second / 10, 3 * second, 0, stop},
	{"rolling", "all brokers restart, one by one", 1, 0, second / 2, 0, rolling},
	{"pause", "a broker stands still for longer than its lease, and goes on", 3, 3 * second, 8 * second, 0, pauseNode},
	{"blink", "a broker stands still for less than its lease, thrice", 1, second / 2, 3 * second / 2, 0, blink},
	{"etcd-loss", "two of three brokers die: no quorum for a while", 1, second, 4 * second, needsThree, killTwo},
	{"cut-pair", "two brokers do not hear each other", 2, 3 * second, 8 * second, needsNetwork | needsThree, cutPair},
	{"cut-node", "a broker and the others do not hear each other; clients hear all", 2, 3 * second, 8 * second, needsNetwork | needsThree, cutNode},
	{"isolate", "nobody hears a broker, and it hears nobody", 2, 3 * second, 8 * second, needsNetwork, isolate},
	{"one-way", "a broker hears another, which does not hear it", 1, 3 * second, 8 * second, needsNetwork | needsThree, oneWay},
	{"mute", "nobody hears a broker, which hears everybody", 1, 3 * second, 8 * second, needsNetwork, mute},
	{"flap", "a broker's links come and go", 1, 4 * second, 8 * second, needsNetwork, flap},
	{"slow-link", "a broker receives 400 kbit/s", 1, 3 * second, 6 * second, needsNetwork, slowLink},
	{"disk-full", "a broker has no room left; then there is, and it starts again", 2, 2 * second, 5 * second, needsDisk, diskFull},
	{"dead-disk", "every write and sync of a broker fails; then it gets its disk back as it was", 1, 2 * second, 5 * second, needsDisk, deadDisk},
	{"failing-sync", "syncs of one partition fail on a broker; then it starts again", 1, 2 * second, 4 * second, needsStrace, failingSync},
	{"power-cut", "a broker loses its power, and all that was not synced", 2, second / 2, 3 * second, needsDisk, powerCut},
	{"power-cut-all", "all brokers lose their power at once", 1, second / 10, second, needsDisk, powerCutAll},
	{"bit-flip", "bits of a broker's logs flip while it is down; later an operator removes what is damaged", 1, 3 * second, 6 * second, needsThree, bitFlip},
	{"empty-disk", "a broker comes back without any of its logs", 1, second / 10, second, needsThree, emptyDisk},
	{"cut-then-kill", "a broker and the others do not hear each other, clients hear all; who leads in its place is killed, and then the third", 0, 2 * second, 4 * second, needsNetwork | needsThree, cutThenKill},
	{"last-standing", "one follower is cut off, then the other, then the leader loses its power; all heals", 1, 2 * second, 4 * second, needsNetwork | needsDisk | needsThree, lastStanding},
}

func kindNamed(name string) *kind {
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	return nil
}

func (c *chaos) victim(f *fault) *rig.Node { return c.rig.Node(f.node) }

// hold waits while the fault lasts.
func (c *chaos) hold(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func kill(ctx context.Context, c *chaos, f *fault) error {
	c.victim(f).Kill()
	return errors.Join(c.hold(ctx, f.hold), c.victim(f).Start())
}

func killTwice(ctx context.Context, c *chaos, f *fault) error {
	first, second := c.victim(f), c.rig.Node(f.others[0])
	first.Kill()
	if err := errors.Join(c.hold(ctx, f.hold), first.Start(), c.hold(ctx, f.hold)); err != nil {
		return err
	}
	second.Kill()
	return errors.Join(c.hold(ctx, f.hold), second.Start())
}

func killAll(ctx context.Context, c *chaos, f *fault) error {
	for _, n := range c.rig.Nodes {
		n.Kill()
	}
	return errors.Join(c.hold(ctx, f.hold), c.startAll())
}

func killTwo(ctx context.Context, c *chaos, f *fault) error {
	other := c.rig.Node(f.others[0])
	c.victim(f).Kill()
	other.Kill()
	return errors.Join(c.hold(ctx, f.hold), c.startAll())
}

// startAll starts what does not run.
func (c *chaos) startAll() error {
	var errs []error
	for _, n := range c.rig.Nodes {
		if !n.Running() {
			errs = append(errs, n.Start())
		}
	}
	return errors.Join(errs...)
}

const stopTimeout = 30 * time.Second

func (c *chaos) stopNode(ctx context.Context, n *rig.Node) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return n.Stop(ctx)
}

func stop(ctx context.Context, c *chaos, f *fault) error {
	if err := c.stopNode(ctx, c.victim(f)); err != nil {
		return err
	}
	return errors.Join(c.hold(ctx, f.hold), c.victim(f).Start())
}

func rolling(ctx context.Context, c *chaos, f *fault) error {
	for _, n := range c.rig.Nodes {
		if err := errors.Join(c.stopNode(ctx, n), n.Start()); err != nil {
			return err
		}
		if err := c.healthy(ctx); err != nil {
			return err
		}
		if err := c.hold(ctx, f.hold); err != nil {
			return err
		}
	}
	return nil
}

func pauseNode(ctx context.Context, c *chaos, f *fault) error {
	return errors.Join(c.victim(f).Pause(), c.hold(ctx, f.hold), c.victim(f).Resume())
}

func blink(ctx context.Context, c *chaos, f *fault) error {
	for range 3 {
		if err := errors.Join(pauseNode(ctx, c, f), c.hold(ctx, second/2)); err != nil {
			return err
		}
	}
	return nil
}

// cut makes these directions silent, holds, and heals.
func (c *chaos) cut(ctx context.Context, d time.Duration, directions ...[2]int) error {
	var errs []error
	for _, way := range directions {
		errs = append(errs, c.net.Cut(way[0], way[1]))
	}
	return errors.Join(append(errs, c.hold(ctx, d), c.net.Heal())...)
}

func cutPair(ctx context.Context, c *chaos, f *fault) error {
	a, b := f.node, f.others[0]
	return c.cut(ctx, f.hold, [2]int{a, b}, [2]int{b, a})
}

func oneWay(ctx context.Context, c *chaos, f *fault) error {
	return c.cut(ctx, f.hold, [2]int{f.node, f.others[0]})
}

// outward are the directions from a node to the other nodes, and to the clients.
func (c *chaos) outward(node int, clients bool) (ways [][2]int) {
	for _, n := range c.rig.Others(node) {
		ways = append(ways, [2]int{node, n.ID})
	}
	if clients {
		ways = append(ways, [2]int{node, rig.Clients})
	}
	return ways
}

// bothWays adds the way back of each.
func bothWays(ways [][2]int) [][2]int {
	for _, w := range ways {
		ways = append(ways, [2]int{w[1], w[0]})
	}
	return ways
}

func cutNode(ctx context.Context, c *chaos, f *fault) error {
	return c.cut(ctx, f.hold, bothWays(c.outward(f.node, false))...)
}

// cutThenKill is how clients come to believe a leader that was deposed: it is cut
// off, and does not know it, others lead in its place and then die, and it is the
// only one that says of itself that it leads.
func cutThenKill(ctx context.Context, c *chaos, f *fault) error {
	for _, way := range bothWays(c.outward(f.node, false)) {
		if err := c.net.Cut(way[0], way[1]); err != nil {
			return err
		}
	}
	err := c.hold(ctx, f.hold)
	for _, id := range f.others {
		n := c.rig.Node(id)
		n.Kill()
		err = errors.Join(err, c.hold(ctx, f.hold), n.Start())
	}
	return errors.Join(err, c.net.Heal())
}

func isolate(ctx context.Context, c *chaos, f *fault) error {
	return c.cut(ctx, f.hold, bothWays(c.outward(f.node, true))...)
}

func mute(ctx context.Context, c *chaos, f *fault) error {
	return c.cut(ctx, f.hold, c.outward(f.node, true)...)
}

func flap(ctx context.Context, c *chaos, f *fault) error {
	for spent := time.Duration(0); spent < f.hold; spent += 2 * second {
		if err := errors.Join(c.cut(ctx, second, bothWays(c.outward(f.node, true))...), c.hold(ctx, second)); err != nil {
			return err
		}
	}
	return nil
}

const slowKilobits = 400

func slowLink(ctx context.Context, c *chaos, f *fault) error {
	return errors.Join(c.net.Slow(f.node, slowKilobits), c.hold(ctx, f.hold), c.net.Heal())
}

func diskFull(ctx context.Context, c *chaos, f *fault) error {
	n := c.victim(f)
	if err := errors.Join(n.Disk.Fill(), c.hold(ctx, f.hold)); err != nil {
		return err
	}
	n.Kill()
	return errors.Join(n.Disk.Empty(), n.Start())
}

func deadDisk(ctx context.Context, c *chaos, f *fault) error {
	n := c.victim(f)
	if err := errors.Join(n.Disk.Fail(), c.hold(ctx, f.hold)); err != nil {
		return err
	}
	n.Kill()
	return errors.Join(n.Disk.PowerOn(), n.Start())
}

func powerCut(ctx context.Context, c *chaos, f *fault) error {
	n := c.victim(f)
	return errors.Join(powerOff(n), c.hold(ctx, f.hold), n.Disk.PowerOn(), n.Start())
}

// powerOff takes the power from brokers at once: none tells anything of what it has
// not synced.
func powerOff(nodes ...*rig.Node) error {
	var errs []error
	for _, do := range []func(*rig.Node) error{
		(*rig.Node).Freeze,
		func(n *rig.Node) error { return n.Disk.CutPower() },
		func(n *rig.Node) error { n.Kill(); return nil },
	} {
		for _, n := range nodes {
			errs = append(errs, do(n))
		}
	}
	return errors.Join(errs...)
}

func powerCutAll(ctx context.Context, c *chaos, f *fault) error {
	errs := []error{powerOff(c.rig.Nodes...)}
	for _, n := range c.rig.Nodes {
		errs = append(errs, n.Disk.PowerOn())
	}
	return errors.Join(append(errs, c.hold(ctx, f.hold), c.startAll())...)
}

// lastStanding is how a cluster that trusts the last replica loses data: the
// in-sync set shrinks to one, that one loses what it had not synced and comes
// back first.
func lastStanding(ctx context.Context, c *chaos, f *fault) error {
	leader, a, b := f.node, f.others[0], f.others[1]
	for _, follower := range []int{a, b} {
		for _, way := range bothWays([][2]int{{follower, leader}}) {
			if err := c.net.Cut(way[0], way[1]); err != nil {
				return err
			}
		}
		if err := c.hold(ctx, f.hold); err != nil {
			return err
		}
	}
	n := c.victim(f)
	if err := errors.Join(powerOff(n), n.Disk.PowerOn(), n.Start(), c.hold(ctx, f.hold)); err != nil {
		return err
	}
	return c.net.Heal()
}

// failingSync has strace fail every fdatasync of one partition's files, while
// all else of the broker goes on.
func failingSync(ctx context.Context, c *chaos, f *fault) error {
	n := c.victim(f)
	files, err := filepath.Glob(filepath.Join(n.Data, "logs", fmt.Sprintf("bank-%d.*", max(0, f.leader)), "*.log"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, fmt.Errorf("broker %d holds no bank-%d", n.ID, max(0, f.leader)))
	}
	args := []string{"-f", "-qq", "-p", strconv.Itoa(n.PID()), "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO", "-o", "/dev/null"}
	for _, file := range files {
		args = append(args, "-P", file)
	}
	tracer := exec.Command("strace", args...)
	if err := tracer.Start(); err != nil {
		return err
	}
	err = c.hold(ctx, f.hold)
	n.Kill()
	_ = tracer.Process.Signal(os.Interrupt) // its tracee is gone
	_ = tracer.Wait()
	return errors.Join(err, n.Start())
}
