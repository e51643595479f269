package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// execute runs one command line and returns the exit code of the process.
func execute(ctx context.Context, args []string, s *streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	return report(s.err, root.ExecuteContext(ctx))
}

func newRoot(s *streams) *cobra.Command {
	root := group("lockstep", "A Kafka-protocol log broker that refuses conflicting writes",
		newServe(s), newDev(s),
		newTopic(s), newProduce(s), newConsume(s), newAppend(s),
		newGroup(s), newCluster(s), newLock(s), newConflicts(s), newDemo(s), newBench(s), newHealth(s), newAudit(s), newDump(s), newVersion(s))
	root.Long = "Lockstep is a Kafka-protocol log broker that refuses conflicting writes.\n\n" +
		"Existing Kafka clients use it unchanged. A record with lock headers is a conditional\n" +
		"append: it enters the log only if nothing it depends on was written after the writer\n" +
		"last looked.\n\n" +
		"Exit codes: 0 done, 1 error, 2 usage, 3 refused."
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	endInTime(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%w", err) })
	return root
}

// group is a command that only holds others: alone it prints its help, and a
// name it does not hold is a usage error with the nearest names beside it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef(cmd, "unknown command %q%s", args[0], didYouMean(cmd.SuggestionsFor(args[0])))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(commands...)
	return cmd
}

func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// arguments accepts from least to most arguments; most < 0 means any number.
func arguments(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		want := names
		if want == "" {
			want = "no arguments"
		}
		return usagef(cmd, "wants %s, got %s", want, describeArgs(args))
	}
}

func describeArgs(args []string) string {
	if len(args) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%q", args)
}
