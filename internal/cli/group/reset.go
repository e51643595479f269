package group

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// groupReset moves a group's offsets.
type groupReset struct {
	*groupCommand
	name   string
	topics []string
	to     command.Position
	dryRun bool
}

// movedOffset is one partition's; From is -1 if there was none.
type movedOffset struct {
	Topic     string `json:"topic" yaml:"topic"`
	Partition int32  `json:"partition" yaml:"partition"`
	From      int64  `json:"from" yaml:"from"`
	To        int64  `json:"to" yaml:"to"`
}

func newGroupReset(s *command.Streams) *cobra.Command {
	r := &groupReset{groupCommand: newGroupCommand(s)}
	var to string
	cmd := r.Flags(&cobra.Command{
		Use:   "reset NAME -o POSITION",
		Short: "Move the offsets of a group without members",
		Long: "Moves the offsets of a group that has no members. POSITION is start, end, +N\n" +
			"(behind the start), -N (before the end), an offset, or @TIME. Without --topic,\n" +
			"the topics are those that the group has offsets of.",
		Args: command.Arguments(1, 1, "one group name"),
		RunE: func(cmd *cobra.Command, names []string) (err error) {
			if to == "" {
				return command.Usagef(cmd, "wants a position to reset to; give -o")
			}
			if r.to, err = command.ParsePosition(to, time.Now()); err != nil {
				return command.Usagef(cmd, "-o: %w", err)
			}
			r.name = names[0]
			return r.With(cmd, r.resetOffsets)
		},
	})
	cmd.Flags().StringVarP(&to, "offset", "o", "", "where to: `start|end|+N|-N|N|@TIME`")
	cmd.Flags().StringSliceVar(&r.topics, "topic", nil, "reset these topics only: `NAME,...`")
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "say what would be done and do nothing")
	return cmd
}

func (r *groupReset) resetOffsets(ctx context.Context, adm *kadm.Client) error {
	moves, err := r.plan(ctx, adm)
	if err != nil {
		return err
	}
	if !r.dryRun {
		if err := r.commit(ctx, adm, moves); err != nil {
			return err
		}
	}
	return r.Format.Render(r.Streams.Out, moves, func(w io.Writer) {
		command.Row(w, "TOPIC", "PARTITION", "FROM", "TO")
		for _, m := range moves {
			command.Row(w, m.Topic, m.Partition, command.NumberOrDash(m.From), m.To)
		}
	})
}

// plan settles the position for each partition.
func (r *groupReset) plan(ctx context.Context, adm *kadm.Client) ([]movedOffset, error) {
	before, err := adm.FetchOffsets(ctx, r.name)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, groupError(r.name, err)
	}
	topics := r.topics
	if len(topics) == 0 {
		topics = slices.Collect(maps.Keys(before))
	}
	if len(topics) == 0 {
		return nil, fmt.Errorf("group %q has no offsets; name the topics with --topic", r.name)
	}
	moves := []movedOffset{}
	for _, topic := range topics {
		spans, err := r.to.Spans(ctx, adm, topic)
		if err != nil {
			return nil, err
		}
		for partition, span := range spans {
			m := movedOffset{Topic: topic, Partition: partition, From: -1, To: span.Next}
			if o, ok := before.Lookup(topic, partition); ok {
				m.From = o.At
			}
			moves = append(moves, m)
		}
	}
	slices.SortFunc(moves, func(a, b movedOffset) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return moves, nil
}

// commit writes the offsets. The broker refuses while the group has members:
// they would go on from where they are and commit over it.
func (r *groupReset) commit(ctx context.Context, adm *kadm.Client, moves []movedOffset) error {
	var offsets kadm.Offsets
	for _, m := range moves {
		offsets.AddOffset(m.Topic, m.Partition, m.To, -1)
	}
	err := adm.CommitAllOffsets(ctx, r.name, offsets)
	if errors.Is(err, kerr.UnknownMemberID) {
		err = kerr.NonEmptyGroup
	}
	return groupError(r.name, err)
}
