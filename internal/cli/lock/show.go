package lock

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

func newLockShow(s *command.Streams) *cobra.Command {
	l := &lockCommand{AllBrokers: command.AllBrokers{Streams: s}}
	return l.flags(&cobra.Command{
		Use:   "show TOPIC LOCK...",
		Short: "Show who wrote a lock last, and at which offset",
		Long: "Show who wrote a lock last, and at which offset, in one partition or in each that knows it;\n" +
			"REFUSED is what all brokers have counted. LOCK is written as in the header: %XX stands for a\n" +
			"space, a control byte or @, and * is the whole partition. Exit code 1 if a broker could not be\n" +
			"asked.",
		Example: "  lockstep lock show accounts acct:7\n" +
			"  lockstep lock show accounts acct:7 -p 0",
		Args: command.Arguments(2, -1, "a topic and locks"),
		RunE: func(cmd *cobra.Command, args []string) error { return l.show(cmd, args[0], args[1:]) },
	})
}

func (l *lockCommand) show(cmd *cobra.Command, topic string, locks []string) error {
	brokers, err := l.Brokers(cmd)
	if err != nil {
		return err
	}
	t, err := l.look(cmd.Context(), brokers, topic, locks)
	if err != nil {
		return err
	}
	meant := l.meant(t)
	states := []lockState{}
	for _, lock := range locks {
		states = append(states, l.statesOf(t, lock, meant)...)
	}
	err = l.Format.Render(l.Streams.Out, states, func(w io.Writer) {
		command.Row(w, "LOCK", "PARTITION", "LAST", "BY", "REFUSED")
		for _, s := range states {
			command.Row(w, s.Lock, command.NumberOrDash(int64(s.Partition)), s.Last, command.OrDash(s.By), s.Refused)
		}
	})
	return errors.Join(err, command.Unasked(l.Streams.Err, brokers), t.leaderless(l.Streams.Err, topic, meant))
}

// statesOf are a lock's states in the partitions that know it, or in the one
// that was named. A lock that nobody knows has a line too.
func (l *lockCommand) statesOf(t *lockTable, lock string, meant []int32) (states []lockState) {
	for _, p := range meant {
		if s, ok := t.states[lockPlace{lock, p}]; ok {
			states = append(states, s)
		}
	}
	if len(states) == 0 {
		states = append(states, lockState{Lock: lock, Partition: l.partition, Last: protocol.None})
	}
	return states
}
