package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/bench"
	"github.com/lockstep-log/lockstep/internal/cli/acl"
	"github.com/lockstep-log/lockstep/internal/cli/cert"
	"github.com/lockstep-log/lockstep/internal/cli/cluster"
	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/group"
	"github.com/lockstep-log/lockstep/internal/cli/lock"
	"github.com/lockstep-log/lockstep/internal/cli/profile"
	"github.com/lockstep-log/lockstep/internal/cli/records"
	"github.com/lockstep-log/lockstep/internal/cli/serve"
	"github.com/lockstep-log/lockstep/internal/cli/topic"
	"github.com/lockstep-log/lockstep/internal/cli/txn"
	"github.com/lockstep-log/lockstep/internal/cli/user"
	"github.com/lockstep-log/lockstep/internal/demo"
	"github.com/lockstep-log/lockstep/internal/dump"
)

// execute runs one command line and returns the exit code of the process.
func execute(ctx context.Context, args []string, s *command.Streams) int {
	root := newRoot(s)
	refuseUnknownNames(root)
	root.SetArgs(args)
	return command.Report(s.Err, root.ExecuteContext(ctx))
}

func newRoot(s *command.Streams) *cobra.Command {
	root := command.Group("lockstep", "A Kafka-protocol log broker that refuses conflicting writes",
		serve.New(s), serve.NewDev(s),
		topic.New(s), records.NewProduce(s), records.NewConsume(s), records.NewAppend(s),
		group.New(s), txn.New(s), cluster.New(s), lock.New(s), lock.NewConflicts(s), demo.New(s), bench.New(s), newHealth(s),
		acl.New(s), lock.NewAudit(s), user.New(s), cert.New(s), profile.New(s), dump.New(s), newRepair(s), newVersion(s))
	root.Long = "Lockstep is a Kafka-protocol log broker that refuses conflicting writes.\n\n" +
		"Existing Kafka clients use it unchanged. A record with lock headers is a conditional\n" +
		"append: it enters the log only if nothing it depends on was written after the writer\n" +
		"last looked.\n\n" +
		"Exit codes: 0 done, 1 error, 2 usage, 3 refused."
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	command.EndInTime(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return command.Usagef(cmd, "%w", err) })
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
			cmd.Args, cmd.RunE = command.NoneButItsOwn, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		case "help":
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				of, rest, err := root.Find(args)
				if err == nil && len(rest) == 0 {
					return nil
				}
				return command.Usagef(cmd, "unknown command %q%s", strings.Join(args, " "),
					command.DidYouMean(of.SuggestionsFor(strings.Join(rest, " "))))
			}
		}
	}
}
