package records

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// appendCommand is one conditional append, as typed.
type appendCommand struct {
	s         *command.Streams
	cluster   command.Cluster
	format    command.Format
	partition int32
	key       string
	headers   []string
	locks     struct{ write, read, blind []string }
	basis     string
	id        string
}

type appended struct {
	Topic     string `json:"topic" yaml:"topic"`
	Partition int32  `json:"partition" yaml:"partition"`
	Offset    int64  `json:"offset" yaml:"offset"`
}

// NewAppend is the command append.
func NewAppend(s *command.Streams) *cobra.Command {
	a := &appendCommand{s: s}
	cmd := &cobra.Command{
		Use:   "append TOPIC [VALUE]",
		Short: "Append one record if nothing it depends on was written since",
		Long: "Append one record if nothing it depends on was written since, and print its offset.\n" +
			"Without VALUE the record's value is read from standard input.\n\n" +
			"A lock is a name, or * for the whole partition, with @BASIS behind it where its basis\n" +
			"differs from --basis. A refusal prints its reason and ends with exit code 3.",
		Example: "  lockstep append accounts -p 0 -k 7 --write acct:7 --basis 12 120\n" +
			"  lockstep append accounts -p 0 --write 'acct:7@12 acct:8@none' --read limits@12 --id req-9 120",
		Args: command.Arguments(1, 2, "a topic and at most one value"),
		RunE: a.appendRecord,
	}
	command.Annotate(cmd, command.OpenEnded)
	f := cmd.Flags()
	f.SortFlags = false
	f.Int32VarP(&a.partition, "partition", "p", -1, "partition `N`; may be left out where there is only one")
	f.StringVarP(&a.key, "key", "k", "", "`KEY` of the record")
	f.StringArrayVarP(&a.headers, "header", "H", nil, "`KEY:VALUE` header; may be repeated")
	f.StringArrayVar(&a.locks.write, "write", nil, "`LOCKS` that must not have been written since, and are now")
	f.StringArrayVar(&a.locks.read, "read", nil, "`LOCKS` that must not have been written since")
	f.StringArrayVar(&a.locks.blind, "append", nil, "`LOCKS` that are written now, whoever wrote them before")
	f.StringVar(&a.basis, "basis", "", "`OFFSET` of the last record of the partition that you have read, or none")
	f.StringVar(&a.id, "id", "", "`NAME` of this append, which is then written at most once")
	a.cluster.Flags(cmd, s)
	a.format.Flag(cmd)
	return cmd
}

func (a *appendCommand) appendRecord(cmd *cobra.Command, args []string) error {
	r, err := a.record(cmd, args)
	if err != nil {
		return err
	}
	ctx, cancel := command.Within(cmd.Context(), a.cluster.Timeout) // from when a person has typed the value
	defer cancel()
	return command.EndedBy(ctx, a.send(ctx, args[0], r))
}

// record builds what was typed, and leaves all judgement of it to the broker.
func (a *appendCommand) record(cmd *cobra.Command, args []string) (*kgo.Record, error) {
	headers, err := parseHeaders(a.headers)
	if err != nil {
		return nil, command.Usagef(cmd, "--header: %w", err)
	}
	r := &kgo.Record{Headers: headers, Timestamp: time.Now()}
	for _, h := range []struct{ key, flag, value string }{
		{protocol.HeaderLockWrite, "write", strings.Join(a.locks.write, " ")},
		{protocol.HeaderLockRead, "read", strings.Join(a.locks.read, " ")},
		{protocol.HeaderLockAppend, "append", strings.Join(a.locks.blind, " ")},
		{protocol.HeaderLockBasis, "basis", a.basis},
		{protocol.HeaderLockID, "id", a.id},
	} {
		if cmd.Flags().Changed(h.flag) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.key, Value: []byte(h.value)})
		}
	}
	if cmd.Flags().Changed("key") {
		r.Key = []byte(a.key)
	}
	r.Value, err = a.value(cmd.Context(), args)
	return r, err
}

// value is the argument, or standard input without the line end that a shell
// puts there.
func (a *appendCommand) value(ctx context.Context, args []string) ([]byte, error) {
	if len(args) == 2 {
		return []byte(args[1]), nil
	}
	if a.s.InIsTTY {
		fmt.Fprintln(a.s.Err, "reading the value from the terminal; end it with Ctrl-D")
	}
	b, err := io.ReadAll(command.Interruptible(ctx, a.s.In))
	if err != nil {
		return nil, fmt.Errorf("reading the value: %w", err)
	}
	return bytes.TrimSuffix(b, []byte("\n")), nil
}

func (a *appendCommand) send(ctx context.Context, topic string, r *kgo.Record) error {
	kafka, err := a.cluster.Connect(ctx, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer kafka.Close()
	var opts []client.Option
	if isLockRequest(r.Headers) {
		opts = append(opts, client.Judged()) // a topic that holds copies refuses it
	}
	sender, err := newOneByOne(kafka, a.cluster.Timeout, opts...)
	if err != nil {
		return err
	}
	defer sender.close()
	done, err := sender.append(ctx, topic, a.partition, r)
	if err != nil {
		return err
	}
	return a.format.Render(a.s.Out, done, func(w io.Writer) { fmt.Fprintln(w, done.Offset) })
}
