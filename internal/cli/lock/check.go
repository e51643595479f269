package lock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// checkedLock is one lock of an append that would come now, judged alone.
type checkedLock struct {
	Lock      string `json:"lock" yaml:"lock"`
	Partition int32  `json:"partition" yaml:"partition"`
	Kind      string `json:"kind" yaml:"kind"`
	// -1: none; a blind write has no basis at all
	Basis *protocol.Offset `json:"basis,omitempty" yaml:"basis,omitempty"`
	Last  protocol.Offset  `json:"last" yaml:"last"`
	By    string           `json:"by" yaml:"by"`
	Pass  bool             `json:"pass" yaml:"pass"`
}

// checked is a leader's judgement.
type checked struct {
	Admitted bool          `json:"admitted"`
	Kind     string        `json:"kind"`
	Message  string        `json:"message"`
	Locks    []checkedLock `json:"locks"`
}

// checkCommand is an append that is not made.
type checkCommand struct {
	lockCommand
	write, read, blind []string
	basis              string
}

func newLockCheck(s *command.Streams) *cobra.Command {
	l := &checkCommand{lockCommand: lockCommand{AllBrokers: command.AllBrokers{Streams: s}}}
	cmd := l.flags(&cobra.Command{
		Use:   "check TOPIC",
		Short: "Would this append pass just now?",
		Long: "Would this append pass just now? Each partition's leader judges it as it would judge the\n" +
			"append, and nothing is written. Ends as the append would: with exit code 3 if it would be\n" +
			"refused, 1 if it is malformed. The answer may be old before it is read: only an append decides.",
		Example: "  lockstep lock check accounts -p 0 --write 'acct:7 acct:8@none' --basis 12",
		Args:    command.Arguments(1, 1, "a topic"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(l.write)+len(l.read)+len(l.blind) == 0 {
				return command.Usagef(cmd, "no locks to check; give --write or --read")
			}
			return l.checkLocks(cmd, args[0])
		},
	})
	cmd.Flags().StringArrayVar(&l.write, "write", nil, "`LOCKS` to be written")
	cmd.Flags().StringArrayVar(&l.read, "read", nil, "`LOCKS` to be read")
	cmd.Flags().StringArrayVar(&l.blind, "append", nil, "`LOCKS` to be written whoever wrote them before")
	cmd.Flags().StringVar(&l.basis, "basis", "", "`OFFSET` of the last record read, or none")
	return cmd
}

// question is the append, as the leader is asked about it.
func (l *checkCommand) question(cmd *cobra.Command) url.Values {
	q := url.Values{}
	for _, h := range []struct{ name, value string }{
		{"write", strings.Join(l.write, " ")}, {"read", strings.Join(l.read, " ")}, {"append", strings.Join(l.blind, " ")},
		{"basis", l.basis},
	} {
		if cmd.Flags().Changed(h.name) {
			q.Set(h.name, h.value)
		}
	}
	return q
}

func (l *checkCommand) checkLocks(cmd *cobra.Command, topic string) error {
	brokers, err := l.Brokers(cmd)
	if err != nil {
		return err
	}
	t, err := l.look(cmd.Context(), brokers, topic, []string{"*"})
	if err != nil {
		return err
	}
	meant := l.meant(t)
	judged, errs := make([]checked, len(meant)), make([]error, len(meant))
	question := l.question(cmd)
	command.ForEach(len(meant), func(i int) {
		if leader, ok := t.leaders[meant[i]]; ok {
			judged[i], errs[i] = l.judge(cmd.Context(), leader, question, topic, meant[i])
		}
	})
	if err := l.print(meant, judged); err != nil {
		return err
	}
	return errors.Join(l.outcome(topic, meant, judged), errors.Join(errs...), t.leaderless(l.Streams.Err, topic, meant))
}

// judge asks a partition's leader. The next look shows one that leads no more.
func (l *checkCommand) judge(ctx context.Context, leader command.AskedBroker, question url.Values, topic string,
	partition int32) (c checked, err error) {
	for {
		a, err := l.HTTP.GetFrom(ctx, leader, question, "v1", "locks", topic, strconv.Itoa(int(partition)))
		if err == nil {
			err = a.Into(&c)
			return c, err
		}
		if !command.IsStatus(err, http.StatusMisdirectedRequest) || command.Pause(ctx, 50*time.Millisecond) != nil {
			return c, err
		}
		one := []command.AskedBroker{leader}
		t, err := l.look(ctx, one, topic, []string{"*"})
		if err != nil {
			return c, err
		}
		if _, still := t.leaders[partition]; !still {
			return c, fmt.Errorf("%s-%d is being led by another broker now; try again", topic, partition)
		}
	}
}

func (l *checkCommand) print(meant []int32, judged []checked) error {
	locks := []checkedLock{}
	for i, c := range judged {
		for _, k := range c.Locks {
			k.Partition = meant[i]
			locks = append(locks, k)
		}
	}
	return l.Format.Render(l.Streams.Out, locks, func(w io.Writer) {
		command.Row(w, "LOCK", "PARTITION", "KIND", "BASIS", "LAST", "BY", "PASS")
		for _, k := range locks {
			command.Row(w, k.Lock, k.Partition, k.Kind, basisText(k.Basis), k.Last, command.OrDash(k.By), yesNo(k.Pass))
		}
	})
}

// basisText is a basis, or a dash for a blind write, which has none.
func basisText(basis *protocol.Offset) string {
	if basis == nil {
		return "-"
	}
	return basis.String()
}

// outcome is the end of an append that fares worst: malformed anywhere, or else
// refused anywhere.
func (l *checkCommand) outcome(topic string, meant []int32, judged []checked) error {
	var refused error
	for i, c := range judged {
		if c.Admitted || c.Kind == "" {
			continue
		}
		where := ""
		if len(meant) > 1 {
			where = fmt.Sprintf("%s-%d: ", topic, meant[i])
		}
		if c.Kind == protocol.RefusalMalformed.String() {
			return errors.New(where + c.Message)
		}
		if refused == nil {
			refused = &command.RefusedError{Text: where + "it would be refused: " + c.Message}
		}
	}
	return refused
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
