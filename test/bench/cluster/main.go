// Command cluster measures what three brokers cost beside one, on one machine:
// CPU a byte and latency of durable appends with acks=all, idle CPU and the
// move of a dead broker's leaders with many partitions, and a follower that
// catches up beside foreground writes.
//
// It starts real brokers on loopback, in pairs of neighbouring runs where a
// ratio is claimed, and prints a line a measurement.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

type options struct {
	binary     string
	dir        string
	only       *regexp.Regexp
	bytes      int64 // of one measurement of throughput
	rounds     int
	partitions int
	behind     int64 // bytes that the follower has missed
	idle       time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	var only string
	var mib, behind int64
	f := flag.NewFlagSet("cluster", flag.ExitOnError)
	f.StringVar(&o.binary, "binary", "bin/lockstep", "the broker's program")
	f.StringVar(&o.dir, "dir", os.TempDir(), "where the data goes, all of it removed")
	f.StringVar(&only, "only", "", "regular expression of: cost, latency, partitions, catchup")
	f.Int64Var(&mib, "mib", 1024, "MiB of each measurement of cost")
	f.IntVar(&o.rounds, "rounds", 3, "pairs of neighbouring measurements")
	f.IntVar(&o.partitions, "partitions", 1000, "partitions of the cluster that loses a broker")
	f.Int64Var(&behind, "behind", 10240, "MiB that a follower has missed")
	f.DurationVar(&o.idle, "idle", 20*time.Second, "for how long an idle cluster is watched")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.bytes, o.behind = mib<<20, behind<<20
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return err
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return err
	}
	if o.dir, err = os.MkdirTemp(o.dir, "cluster-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	for _, part := range []struct {
		name string
		run  func(context.Context, options) error
	}{{"cost", cost}, {"latency", latency}, {"partitions", partitions}, {"catchup", catchUp}} {
		if !o.only.MatchString(part.name) {
			continue
		}
		if err := part.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}
