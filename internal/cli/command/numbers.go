package command

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// LeastNumbers is from where the number flags go, by name; where a command
// differs, by the command and the name. -1 stands for all, or for what the
// broker sees fit. No command looks at a number that is below.
var LeastNumbers = map[string]int64{
	"accounts": 2, "partition": -1, "partitions": -1, "processes": 1, "replace": 0, "replicas": -1, "size": 0, "locks": 0,
	"lines": 0, "num": 0, "writers": 0, "num-replicas": 0, "exclude": 0, "throttle": 0, "node-id": -1, "iterations": 4096, "start-offset": 0,
	"consume partition": 0, "cluster reassign partition": 0, "cluster reassign replicas": 0, // lists: each of them
	"txn abort partition": 0, "topic add-partitions num": 1, "demo bank writers": 1, "demo teller writers": 1,
}

// LeastDurations is the same for durations.
var LeastDurations = map[string]time.Duration{
	"duration": 0, "wait": 0, "lasts": time.Minute, "every": time.Millisecond, "timeout": time.Nanosecond,
}

// checkNumbers holds every number that was typed to its least.
func checkNumbers(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err != nil {
			return
		}
		switch f.Value.Type() {
		case "duration":
			least := LeastDurations[f.Name]
			if d, parseErr := time.ParseDuration(f.Value.String()); parseErr == nil && d < least {
				err = Usagef(cmd, "--%s wants a duration from %s, got %s", f.Name, least, d)
			}
		case "int", "int16", "int32", "int64", "int32Slice":
			least := LeastOf(cmd, f.Name)
			for n := range strings.SplitSeq(strings.Trim(f.Value.String(), "[]"), ",") {
				if v, parseErr := strconv.ParseInt(n, 10, 64); parseErr == nil && v < least {
					err = Usagef(cmd, "--%s wants %s, got %d", f.Name, numbersFrom(least), v)
				}
			}
		}
	})
	return err
}

// LeastOf is from where a number flag of a command goes.
func LeastOf(cmd *cobra.Command, name string) int64 {
	_, path, _ := strings.Cut(cmd.CommandPath(), " ")
	if least, own := LeastNumbers[path+" "+name]; own {
		return least
	}
	return LeastNumbers[name]
}

func numbersFrom(least int64) string {
	if least < 0 {
		return "a number from 0, or -1"
	}
	return fmt.Sprintf("a number from %d", least)
}
