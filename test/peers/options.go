package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// options are the flags of a run.
type options struct {
	lockstep  string // the program
	quick     bool
	time      time.Duration  // of one measurement
	rounds    int            // each is there and back, on fresh servers
	limit     time.Duration  // no workload begins after it
	only      *regexp.Regexp // of workloads, by id
	dir       string         // of all data, removed at the end
	warmBytes int64
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var only string
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.lockstep, "lockstep", "bin/lockstep", "the program to measure")
	f.BoolVar(&o.quick, "quick", false, "one round, short")
	f.DurationVar(&o.time, "time", 0, "of one measurement (default 2s, 500ms with -quick)")
	f.IntVar(&o.rounds, "rounds", 0, "rounds, each there and back on fresh servers (default 2, 1 with -quick)")
	f.DurationVar(&o.limit, "limit", 0, "no workload begins after this (default 7m30s, 80s with -quick)")
	f.StringVar(&only, "only", "", "regular expression of the workloads to run")
	f.StringVar(&o.dir, "dir", os.TempDir(), "where the data goes, all of it removed")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return o, err
	}
	if o.lockstep, err = exec.LookPath(o.lockstep); err != nil {
		return o, fmt.Errorf("%w; run make build, or name another by -lockstep", err)
	}
	o.lockstep, err = filepath.Abs(o.lockstep)
	return o.withDefaults(), err
}

func (o options) withDefaults() options {
	long, rounds, limit := 2*time.Second, 2, 450*time.Second
	o.warmBytes = 1 << 30
	if o.quick {
		long, rounds, limit = 500*time.Millisecond, 1, 80*time.Second
		o.warmBytes = 256 << 20
	}
	if o.time <= 0 {
		o.time = long
	}
	if o.rounds <= 0 {
		o.rounds = rounds
	}
	if o.limit <= 0 {
		o.limit = limit
	}
	return o
}
