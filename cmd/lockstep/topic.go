package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func newTopic(s *streams) *cobra.Command {
	return group("topic", "Create, list, change and delete topics",
		newTopicCreate(s), newTopicList(s), newTopicDescribe(s),
		newTopicAlter(s), newTopicDelete(s), newTopicAddPartitions(s))
}

// topicCommand is what the commands on topics share: a cluster, a format, and
// an admin client that lives as long as the command.
type topicCommand struct {
	s       *streams
	cluster cluster
	format  format
}

func (t *topicCommand) flags(cmd *cobra.Command) *cobra.Command {
	t.cluster.flags(cmd, t.s)
	t.format.flag(cmd)
	return cmd
}

func (t *topicCommand) with(cmd *cobra.Command, do func(context.Context, *kadm.Client) error) error {
	return t.connected(cmd, func(ctx context.Context, cl *kgo.Client) error { return do(ctx, t.cluster.adminOf(cl)) })
}

func (t *topicCommand) connected(cmd *cobra.Command, do func(context.Context, *kgo.Client) error) error {
	ctx, cancel := within(cmd.Context(), t.cluster.timeout)
	defer cancel()
	cl, err := t.cluster.connect(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	return endedBy(ctx, do(ctx, cl))
}

// outcome is what became of one topic in a command that may name several.
type outcome struct {
	Topic  string `json:"topic" yaml:"topic"`
	Status string `json:"status" yaml:"status"`
	Error  string `json:"error,omitempty" yaml:"error,omitempty"`
}

// printOutcomes prints what was done as the result and what was not as talk,
// and fails if anything was not.
func (t *topicCommand) printOutcomes(done string, names []string, errs map[string]error) error {
	var failed error
	var did []string
	outcomes := make([]outcome, len(names))
	for i, name := range names {
		outcomes[i] = outcome{Topic: name, Status: done}
		if err := errs[name]; err != nil {
			outcomes[i].Status, outcomes[i].Error = "failed", err.Error()
			fmt.Fprintf(t.s.err, "lockstep: topic %q: %v\n", name, err)
			failed = errNegative
			continue
		}
		did = append(did, name)
	}
	err := t.format.render(t.s.out, outcomes, func(w io.Writer) {
		for _, name := range did {
			fmt.Fprintf(w, "%s %s\n", done, name)
		}
	})
	return errors.Join(err, failed)
}
