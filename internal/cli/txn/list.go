package txn

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// listed is a transactional id in a list.
type listed struct {
	ID          string `json:"transactional_id" yaml:"transactional_id"`
	State       string `json:"state" yaml:"state"`
	Producer    int64  `json:"producer_id" yaml:"producer_id"`
	Coordinator int32  `json:"coordinator" yaml:"coordinator"`
}

// states are those that a transactional id may be in.
var states = []string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"}

func newList(s *command.Streams) *cobra.Command {
	t := newTxnCommand(s)
	var named []string
	cmd := t.Flags(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List transactional ids",
		Args:    command.Arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			wanted, err := statesNamed(named)
			if err != nil {
				return command.Usagef(cmd, "--state: %w", err)
			}
			return t.With(cmd, func(ctx context.Context, adm *kadm.Client) error { return t.list(ctx, adm, wanted) })
		},
	})
	cmd.Flags().StringSliceVar(&named, "state", nil, "list ids in these states only: `STATE,...`, such as Ongoing")
	return cmd
}

// statesNamed are states as brokers spell them.
func statesNamed(names []string) (wanted []string, err error) {
	for _, name := range names {
		at := slices.IndexFunc(states, func(s string) bool { return strings.EqualFold(s, name) })
		if at < 0 {
			return nil, fmt.Errorf("%q is no state of a transactional id; there are %s", name, strings.Join(states, ", "))
		}
		wanted = append(wanted, states[at])
	}
	return wanted, nil
}

func (t *txnCommand) list(ctx context.Context, adm *kadm.Client, wanted []string) error {
	all, err := adm.ListTransactions(ctx, nil, wanted)
	if err != nil {
		return err
	}
	list := []listed{}
	for _, l := range all.Sorted() {
		list = append(list, listed{l.TxnID, l.State, l.ProducerID, l.Coordinator})
	}
	return t.Format.Render(t.Streams.Out, list, func(w io.Writer) {
		command.Row(w, "TRANSACTIONAL ID", "STATE", "PRODUCER", "COORDINATOR")
		for _, l := range list {
			command.Row(w, l.ID, l.State, l.Producer, l.Coordinator)
		}
	})
}
