package lock

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// lockUse is a record that names a lock.
type lockUse struct {
	Partition int32     `json:"partition" yaml:"partition"`
	Offset    int64     `json:"offset" yaml:"offset"`
	Time      time.Time `json:"time" yaml:"time"`
	Kind      string    `json:"kind" yaml:"kind"` // the header
	// -1: none; a blind write has no basis at all
	Basis *protocol.Offset `json:"basis,omitempty" yaml:"basis,omitempty"`
	By    string           `json:"by" yaml:"by"`
	Key   string           `json:"key" yaml:"key"`
	// State is "aborted" or "undecided" of a record that does not count: its transaction was
	// aborted, or is open at the end of what was read.
	State string `json:"state,omitempty" yaml:"state,omitempty"`
}

// historyCommand reads the log for one lock.
type historyCommand struct {
	s         *command.Streams
	cluster   command.Cluster
	format    command.Format
	partition int32
	reads     bool
	position  string
}

func newLockHistory(s *command.Streams) *cobra.Command {
	h := &historyCommand{s: s}
	cmd := &cobra.Command{
		Use:   "history TOPIC LOCK",
		Short: "Show who wrote a lock, and where",
		Long: "Show who wrote a lock, and where, from what the log still holds, one partition after the other\n" +
			"or of one. What a transaction wrote counts once it is committed; STATE is aborted or undecided if it was\n" +
			"not. LOCK is written as in the header: %XX stands for a space, a control byte or @.",
		Example: "  lockstep lock history accounts acct:7 -p 0\n" +
			"  lockstep lock history accounts acct:7 -o -1h --reads",
		Args: command.Arguments(2, 2, "a topic and a lock"),
		RunE: h.printHistory,
	}
	command.Annotate(cmd, command.OpenEnded)
	f := cmd.Flags()
	f.SortFlags = false
	f.Int32VarP(&h.partition, "partition", "p", -1, "partition `N`; without it, all")
	f.StringVarP(&h.position, "offset", "o", "start", "`WHERE` to begin, as of consume")
	f.BoolVar(&h.reads, "reads", false, "show also who only read it")
	h.cluster.Flags(cmd, s)
	h.format.Flag(cmd)
	return cmd
}

func (h *historyCommand) printHistory(cmd *cobra.Command, args []string) error {
	pos, err := command.ParsePosition(h.position, time.Now())
	if err != nil {
		return command.Usagef(cmd, "--offset: %w", err)
	}
	name, err := lockName(args[1])
	if err != nil {
		return command.Usagef(cmd, "%w", err)
	}
	ctx := cmd.Context()
	adm, err := h.cluster.Admin(ctx)
	if err != nil {
		return err
	}
	defer adm.Close()
	spans, err := pos.Spans(ctx, adm, args[0])
	if err != nil {
		return err
	}
	cl, err := h.cluster.Connect(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	chosen, err := h.chosen(args[0], spans)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(h.s.Out)
	if h.format == command.FormatText {
		fmt.Fprintf(out, historyLine, "PARTITION", "OFFSET", "TIME", "STATE", "KIND", "BASIS", "BY", "KEY")
	}
	for _, p := range chosen {
		r := historyReader{partition: p, name: name, reads: h.reads, timeout: h.cluster.Timeout,
			emit: func(u lockUse) error { return h.print(out, u) }}
		if err := errors.Join(r.read(ctx, cl, args[0], spans[p]), out.Flush()); err != nil {
			return err
		}
	}
	return out.Flush()
}

// historyLine is wide enough for nearly all: a history may be longer than memory.
const historyLine = "%-9v  %-10v  %-24s  %-9s  %-11s  %-10s  %-20s  %s\n"

// chosen are the partitions that are meant, in order.
func (h *historyCommand) chosen(topic string, spans map[int32]command.OffsetSpan) ([]int32, error) {
	if h.partition < 0 {
		return slices.Sorted(maps.Keys(spans)), nil
	}
	if _, ok := spans[h.partition]; !ok {
		return nil, fmt.Errorf("topic %q has no partition %d; it has %d", topic, h.partition, len(spans))
	}
	return []int32{h.partition}, nil
}

// lockName is a lock's name as the application knows it, from how a header has
// it: %41 is A.
func lockName(text string) ([]byte, error) {
	var q protocol.LockRequest
	if err := q.Header([]byte(protocol.HeaderLockAppend), []byte(text)); err != nil {
		return nil, err
	}
	switch {
	case len(q.Items) != 1 || q.Items[0].Own:
		return nil, fmt.Errorf("%q is not one lock's name", text)
	case q.Items[0].All:
		return nil, errors.New("every record writes *; see lockstep consume")
	}
	return bytes.Clone(q.Items[0].Name), nil
}

// print writes a line at once: a history may be longer than memory.
func (h *historyCommand) print(out io.Writer, u lockUse) error {
	if h.format != command.FormatText {
		return h.format.Encode(out, u)
	}
	_, err := fmt.Fprintf(out, historyLine, u.Partition, u.Offset, u.Time.UTC().Format("2006-01-02T15:04:05.000Z"),
		command.OrDash(u.State), u.Kind, basisText(u.Basis), command.OrDash(u.By), protocol.Printable(u.Key))
	return err
}
