package cli

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// zeroMeans says what 0 does in each number flag that takes it: by the flag or,
// where commands differ, by the command and the flag.
var zeroMeans = map[string]string{
	"partition":                      "partition 0; without the flag: all, or the broker's choice",
	"topic create partitions":        "refused by the broker, as a topic of no partitions is",
	"topic create replicas":          "refused by the broker, as a partition of no replicas is",
	"cluster reassign partition":     "partition 0",
	"cluster reassign replicas":      "broker 0",
	"cluster brokers replace":        "broker 0; without the flag: nobody",
	"cluster reassign wait":          "the default: no wait",
	"cluster rebalance wait":         "the default: no wait",
	"cluster rebalance num-replicas": "the default: as many as each has",
	"cluster rebalance exclude":      "broker 0",
	"cluster rebalance throttle":     "no bound; without the flag: as it is",
	"cluster remove throttle":        "the default: no bound",
	"cluster remove wait":            "nothing is waited for: what is left to do is an error",
	"cluster add node-id":            "broker 0; without the flag: one that is free",
	"cluster add wait":               "the default: no wait",
	"lock hot num":                   "none",
	"conflicts tail lines":           "none of the past",
	"consume num":                    "the default: no limit",
	"bench produce num":              "the default: no limit",
	"bench consume num":              "the default: all that is there",
	"bench append num":               "the default: no limit",
	"bench produce size":             "empty values",
	"bench append size":              "empty values",
	"bench append locks":             "no lock",
	"bench append writers":           "the default: one writer with many appends under way",
	"bench produce duration":         "no limit",
	"bench consume duration":         "no limit",
	"bench append duration":          "no limit",
	"demo bank duration":             "no limit",
	"txn abort start-offset":         "the partition's first record",
}

// Goal: no number flag takes 0 for "not given" where 0 means something. Method:
// each flag that takes 0 is argued for above, so that a new one has to be; where
// 0 is the default, the help says what that does.
func TestEveryNumberFlagSaysWhatZeroMeans(t *testing.T) {
	seen := map[string]bool{}
	for name, cmd := range leaves() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			least, isNumber := int64(0), true
			switch f.Value.Type() {
			case "duration":
				least = int64(command.LeastDurations[f.Name])
			case "int", "int16", "int32", "int64", "int32Slice":
				least = command.LeastOf(cmd, f.Name)
			default:
				isNumber = false
			}
			if !isNumber || least > 0 {
				return
			}
			key := name + " " + f.Name
			if zeroMeans[key] == "" {
				key = f.Name
			}
			if zeroMeans[key] == "" {
				t.Errorf("%s --%s: it is not said what 0 means", name, f.Name)
			}
			seen[key] = true
			if isDefault := f.DefValue == "0" || f.DefValue == "0s"; isDefault && !saysZero(f.Usage) {
				t.Errorf("%s --%s: 0 is the default, and the help does not say what it does: %q", name, f.Name, f.Usage)
			}
		})
	}
	for key := range zeroMeans {
		if !seen[key] {
			t.Errorf("no command has a number flag %q that takes 0", key)
		}
	}
}

// saysZero reports whether a help text says what 0 does, or what is done only if asked for.
func saysZero(usage string) bool {
	for _, says := range []string{"0: ", "wait until", "forget what"} {
		if strings.Contains(usage, says) {
			return true
		}
	}
	return false
}
