package topic

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// New is the command topic.
func New(s *command.Streams) *cobra.Command {
	return command.Group("topic", "Create, list, change and delete topics",
		newTopicCreate(s), newTopicList(s), newTopicDescribe(s),
		newTopicAlter(s), newTopicDelete(s), newTopicAddPartitions(s))
}

// topicCommand is what the commands on topics share.
type topicCommand struct{ command.Kafka }

func newTopicCommand(s *command.Streams) *topicCommand {
	return &topicCommand{command.Kafka{Streams: s}}
}

// outcome is what became of one topic in a command that may name several.
type outcome struct {
	Topic  string `json:"topic" yaml:"topic"`
	Status string `json:"status" yaml:"status"`
	Error  string `json:"error,omitempty" yaml:"error,omitempty"`
}

// printOutcomes prints what was done as the result and what was not on standard error,
// and fails if anything was not.
func (t *topicCommand) printOutcomes(done string, names []string, errs map[string]error) error {
	var failed error
	var did []string
	outcomes := make([]outcome, len(names))
	for i, name := range names {
		outcomes[i] = outcome{Topic: name, Status: done}
		if err := errs[name]; err != nil {
			outcomes[i].Status, outcomes[i].Error = "failed", err.Error()
			fmt.Fprintf(t.Streams.Err, "lockstep: topic %q: %v\n", name, err)
			failed = command.ErrNegative
			continue
		}
		did = append(did, name)
	}
	err := t.Format.Render(t.Streams.Out, outcomes, func(w io.Writer) {
		for _, name := range did {
			fmt.Fprintf(w, "%s %s\n", done, name)
		}
	})
	return errors.Join(err, failed)
}
