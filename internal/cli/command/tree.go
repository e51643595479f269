package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Group is a command that only holds others: alone it prints its help, and a
// name it does not hold is a usage error with the nearest names beside it.
func Group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  NoneButItsOwn,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(commands...)
	return cmd
}

// NoneButItsOwn refuses an argument, which is the name of no command that is held.
func NoneButItsOwn(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return Usagef(cmd, "unknown command %q%s", args[0], DidYouMean(cmd.SuggestionsFor(args[0])))
}

// DidYouMean asks for one of some names, if there are any.
func DidYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// Arguments accepts from least to most arguments; most < 0 means any number.
func Arguments(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		want := names
		if want == "" {
			want = "no arguments"
		}
		return Usagef(cmd, "wants %s, got %s", want, DescribeArgs(args))
	}
}

// DescribeArgs shows what was typed.
func DescribeArgs(args []string) string {
	if len(args) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%q", args)
}
