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
	refuseUnknownNames(root)
	root.SetArgs(args)
	return report(s.err, root.ExecuteContext(ctx))
}

func newRoot(s *streams) *cobra.Command {
	root := group("lockstep", "A Kafka-protocol log broker that refuses conflicting writes",
		newServe(s), newDev(s),
		newTopic(s), newProduce(s), newConsume(s), newAppend(s),
		newGroup(s), newCluster(s), newLock(s), newConflicts(s), newDemo(s), newBench(s), newHealth(s), newAudit(s), newDump(s), newRepair(s), newVersion(s))
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

// refuseUnknownNames makes the commands that cobra brings along, help and
// completion, refuse a name that they do not know, as ours do.
func refuseUnknownNames(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			cmd.Args, cmd.RunE = noneButItsOwn, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		case "help":
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				of, rest, err := root.Find(args)
				if err == nil && len(rest) == 0 {
					return nil
				}
				return usagef(cmd, "unknown command %q%s", strings.Join(args, " "), didYouMean(of.SuggestionsFor(strings.Join(rest, " "))))
			}
		}
	}
}

// group is a command that only holds others: alone it prints its help, and a
// name it does not hold is a usage error with the nearest names beside it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  noneButItsOwn,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(commands...)
	return cmd
}

// noneButItsOwn refuses an argument, which is the name of no command that is held.
func noneButItsOwn(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef(cmd, "unknown command %q%s", args[0], didYouMean(cmd.SuggestionsFor(args[0])))
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
