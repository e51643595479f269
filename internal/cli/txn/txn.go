package txn

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// New is the command txn.
func New(s *command.Streams) *cobra.Command {
	return command.Group("txn", "List, show and abort transactions, and find those that hang",
		newList(s), newDescribe(s), newAbort(s), newFindHanging(s))
}

// txnCommand is what the commands on transactions share.
type txnCommand struct{ command.Kafka }

func newTxnCommand(s *command.Streams) *txnCommand { return &txnCommand{command.Kafka{Streams: s}} }

// txnError names the transactional id that an error is about.
func txnError(id string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.TransactionalIDNotFound):
		return fmt.Errorf("transactional id %q does not exist", id)
	}
	return fmt.Errorf("transactional id %q: %w", id, err)
}

// partitionsText is partitions as people read them: a:0,1 b:2.
func partitionsText(s kadm.TopicsSet) string {
	var words []string
	for _, t := range s.Sorted() {
		numbers := make([]string, len(t.Partitions))
		for i, p := range t.Partitions {
			numbers[i] = fmt.Sprint(p)
		}
		words = append(words, t.Topic+":"+strings.Join(numbers, ","))
	}
	return command.OrDash(strings.Join(words, " "))
}
