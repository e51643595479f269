package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

const defaultServer = "bin/lockstep serve --data-dir {dir} --listen {listen} --http {http}"

// options are the flags of a run.
type options struct {
	server    string         // command, with places for {dir}, {listen}, {http} and {self}; empty: the floor alone
	against   string         // a second server, measured in turn with the first; empty: none
	quick     bool           // fewer workloads, shorter
	time      time.Duration  // of one measurement
	bytes     int64          // of one measurement, at most
	rounds    int            // each is there and back again, on fresh servers
	only      *regexp.Regexp // of workloads, by id
	json      string
	dir       string // parent of all data
	warmBytes int64
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var mib, warmMiB int64
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.server, "server", defaultServer, "the server to measure; {dir} {listen} {http} {self} are filled in; empty for the floor alone")
	f.StringVar(&o.against, "against", "", "a second server, such as an older build, measured in turn with the first")
	f.BoolVar(&o.quick, "quick", false, "fewer workloads, a quarter of the time each")
	f.DurationVar(&o.time, "time", 0, "of one measurement (default 2s, 500ms with -quick)")
	f.Int64Var(&mib, "mib", 0, "MiB of one measurement at most (default 512, 256 with -quick)")
	f.IntVar(&o.rounds, "rounds", 1, "rounds, each forwards and backwards on fresh servers")
	f.StringVar(&only, "only", "", "regular expression of the workloads to run")
	f.StringVar(&o.json, "json", "", "file for the figures")
	f.StringVar(&o.dir, "dir", os.TempDir(), "where the data goes, all of it removed")
	f.Int64Var(&warmMiB, "warm", 0, "MiB written and deleted before each workload, to warm the page pool (default twice -mib)")
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
	o.bytes, o.warmBytes = mib<<20, warmMiB<<20
	return o.withDefaults(), errors.Join(checkServer(o.server), checkServer(o.against))
}

func (o options) withDefaults() options {
	long, large := 2*time.Second, int64(512<<20)
	if o.quick {
		long, large = 500*time.Millisecond, 256<<20
	}
	if o.time <= 0 {
		o.time = long
	}
	if o.bytes <= 0 {
		o.bytes = large
	}
	if o.warmBytes <= 0 {
		o.warmBytes = 2 * o.bytes
	}
	o.rounds = max(1, o.rounds)
	return o
}

// checkServer finds out early what would fail at every measurement.
func checkServer(line string) error {
	words := strings.Fields(line)
	if len(words) == 0 || words[0] == "{self}" {
		return nil
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return fmt.Errorf("%w; run make build, or name another by -server, or measure the floor alone by -server ''", err)
	}
	return nil
}
