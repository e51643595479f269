package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

type options struct {
	binary     string
	dir        string
	transfers  int64
	accounts   int
	partitions int
	tellers    int
	writers    int
	databases  int
	seed       uint64
	haste      int
	keep       bool
	calm       bool
}

func parseOptions(args []string) (options, error) {
	o := options{}
	f := flag.NewFlagSet("transfers", flag.ContinueOnError)
	f.StringVar(&o.binary, "binary", "bin/lockstep", "the broker's program")
	f.StringVar(&o.dir, "dir", "", "an empty directory for all data, about 400 bytes a transfer (default: a temporary one)")
	f.Int64Var(&o.transfers, "transfers", 300_000, "how many are to be in the log")
	f.IntVar(&o.accounts, "accounts", 100_000, "accounts, dealt out to the partitions")
	f.IntVar(&o.partitions, "partitions", 3, "partitions of the topic")
	f.IntVar(&o.tellers, "tellers", 3, "processes that make transfers")
	f.IntVar(&o.writers, "writers", 256, "goroutines of each that do")
	f.IntVar(&o.databases, "databases", 2, "databases; two processes share the last one")
	f.Uint64Var(&o.seed, "seed", 0, "of the kills and the tellers' choices (default: from the clock)")
	f.IntVar(&o.haste, "haste", 1, "divides the time between two kills")
	f.BoolVar(&o.keep, "keep", false, "keep the directory in any case (it is kept when something fails)")
	f.BoolVar(&o.calm, "calm", false, "kill nobody")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano() % 1_000_000)
	}
	return o, o.check()
}

func (o *options) check() error {
	if f, err := os.Stat(o.binary); err != nil || f.IsDir() {
		return fmt.Errorf("there is no program %s; make build makes it", o.binary)
	}
	if o.transfers < 1 || o.partitions < 1 || o.tellers < 1 || o.writers < 1 || o.databases < 1 || o.haste < 1 {
		return errors.New("transfers, partitions, tellers, writers, databases and haste: at least 1 of each")
	}
	if o.accounts < 2*o.partitions {
		return errors.New("a partition needs two accounts")
	}
	return nil
}
