package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

type options struct {
	binary   string
	dir      string
	rounds   int
	seed     uint64
	brokers  int
	only     []string
	tolerate []string
	compare  int
	keep     bool
	loopback bool
	verbose  bool
	failover string
	each     int
}

func parseOptions(args []string) (options, error) {
	o := options{}
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.StringVar(&o.binary, "binary", "bin/lockstep", "the broker's program")
	f.StringVar(&o.dir, "dir", "", "where to keep data and logs (default: a temporary directory, removed if all is well)")
	f.IntVar(&o.rounds, "rounds", 10, "faults")
	f.Uint64Var(&o.seed, "seed", 0, "of the schedule (default: from the clock)")
	f.IntVar(&o.brokers, "brokers", 3, "3, or 1 to try the harness itself")
	only := f.String("only", "", "faults to choose from, by comma (default: all)")
	tolerate := f.String("tolerate", "", "texts, by comma: complaints with one of them are known and do not end the run")
	f.IntVar(&o.compare, "compare", 10, "stop the cluster and compare the replicas after so many rounds")
	f.BoolVar(&o.keep, "keep", false, "keep the directory")
	f.BoolVar(&o.loopback, "loopback", false, "no network namespaces and no disks: it needs no rights")
	f.BoolVar(&o.verbose, "v", false, "tell each step")
	f.StringVar(&o.failover, "failover", "", "measure the gap in a stock client's writes instead: stock, quick or both")
	f.IntVar(&o.each, "each", 20, "rounds of each kind with -failover")
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "chaos hurts a cluster of brokers and judges what becomes of it. The faults:")
		for _, k := range kinds {
			fmt.Fprintf(f.Output(), "  %-16s %s\n", k.name, k.does)
		}
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano() % 1_000_000)
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	if *tolerate != "" {
		o.tolerate = strings.Split(*tolerate, ",")
	}
	return o, o.check()
}

func (o *options) check() error {
	if f, err := os.Stat(o.binary); err != nil || f.IsDir() {
		return fmt.Errorf("there is no program %s; make build makes it", o.binary)
	}
	for _, name := range o.only {
		if kindNamed(name) == nil {
			return fmt.Errorf("there is no fault %q; -h lists them", name)
		}
	}
	if o.brokers != 1 && o.brokers != 3 {
		return errors.New("brokers: 3, or 1 to try the harness itself")
	}
	return nil
}
