package lock

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// auditCommand re-reads logs and proves every admitted lock request right.
type auditCommand struct {
	s         *command.Streams
	cluster   command.Cluster
	format    command.Format
	partition int32
	all       bool
}

// NewAudit is the command audit.
func NewAudit(s *command.Streams) *cobra.Command {
	a := &auditCommand{s: s}
	cmd := &cobra.Command{
		Use:   "audit TOPIC...",
		Short: "Re-read the log and prove that every admitted lock request was right",
		Long: "Re-read the log, batch by batch, and judge every lock request again from the log alone.\n" +
			"Exit 1 if any record should have been refused; each is named with its offset.\n" +
			"Records that were carried, since the topic held copies (conflict.policy=carry), were not judged;\n" +
			"the log says which. They mark locks, and are never wrong.\n" +
			"What a transaction wrote counts from its commit on, aborted never; until it is decided it holds the\n" +
			"locks that it names, and nobody else may have been admitted to them.\n" +
			"Of several partitions it wants also that committed transactions and conditional appends have one serial\n" +
			"order over all of them, and that no transaction is half committed; exit 1 and the circle if not.\n" +
			"A request whose basis is older than the log's start, on a lock that the log does not know,\n" +
			"cannot be proven and is counted. Memory: some 60 bytes a lock, and\n" +
			"over several partitions 150 more, and 100 a request.",
		Example: "  lockstep audit accounts\n  lockstep audit --all",
		Args:    command.Arguments(0, -1, "topics"),
		RunE:    a.audit,
	}
	command.Annotate(cmd, command.OpenEnded)
	a.cluster.Flags(cmd, s)
	a.format.Flag(cmd)
	cmd.Flags().Int32VarP(&a.partition, "partition", "p", -1, "one `PARTITION`; all without it")
	cmd.Flags().BoolVar(&a.all, "all", false, "all topics but internal ones")
	return cmd
}

func (a *auditCommand) audit(cmd *cobra.Command, topics []string) error {
	if a.all == (len(topics) > 0) {
		return command.Usagef(cmd, "wants topics or --all, got %s", command.DescribeArgs(topics))
	}
	ctx := cmd.Context()
	client, err := a.cluster.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	var bounds []bound
	if a.all {
		if topics, err = allTopics(ctx, client); err != nil {
			return err
		}
	}
	for _, topic := range slices.Compact(slices.Sorted(slices.Values(topics))) {
		more, err := a.bounds(ctx, client, topic)
		if err != nil {
			return err
		}
		bounds = append(bounds, more...)
	}
	return a.auditAll(ctx, client, bounds)
}

// allTopics are those that are not the cluster's own.
func allTopics(ctx context.Context, client *kgo.Client) ([]string, error) {
	details, err := kadm.NewClient(client).ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	return details.Names(), nil
}

// auditAll reads one partition after the other.
func (a *auditCommand) auditAll(ctx context.Context, client *kgo.Client, bounds []bound) error {
	results := []audited{}
	order := newSerialOrder()
	wrong := false
	for _, b := range bounds {
		aud := newAuditor(b.partition, b.start)
		aud.out.Topic = b.topic
		if len(bounds) > 1 {
			aud.serial = order.part(fmt.Sprintf("%s-%d", b.topic, b.partition))
		}
		if err := a.read(ctx, client, b.topic, b, aud); err != nil {
			return fmt.Errorf("topic %q, partition %d: %w", b.topic, b.partition, err)
		}
		results = append(results, aud.out)
		wrong = wrong || aud.out.WrongAll > 0
	}
	if err := a.format.Render(a.s.Out, results, func(w io.Writer) { auditTable(w, results) }); err != nil {
		return err
	}
	faults := order.faults()
	for _, f := range faults {
		fmt.Fprintln(a.s.Err, f)
	}
	if wrong || len(faults) > 0 {
		return command.ErrNegative
	}
	return nil
}

// auditTable says which topic only if there are several.
func auditTable(w io.Writer, results []audited) {
	several := len(results) > 0 && results[0].Topic != results[len(results)-1].Topic
	row := func(topic string, cells ...any) {
		if several {
			cells = append([]any{topic}, cells...)
		}
		command.Row(w, cells...)
	}
	row("TOPIC", "PARTITION", "START", "END", "RECORDS", "REQUESTS", "LOCKS", "CARRIED", "ABORTED", "UNDECIDED",
		"UNPROVEN", "WRONG")
	for _, r := range results {
		row(r.Topic, r.Partition, int64(r.Start), int64(r.End), r.Records, r.Requests, r.Locks, r.Carried, r.Aborted,
			r.Undecided, r.Unproven, r.WrongAll)
	}
	for _, r := range results {
		where := fmt.Sprintf("partition %d", r.Partition)
		if several {
			where = fmt.Sprintf("topic %s, partition %d", r.Topic, r.Partition)
		}
		for _, s := range r.Stretches {
			fmt.Fprintf(w, "%s, offsets %d to %d: %d records with lock headers were carried "+
				"(conflict.policy=carry), not judged\n", where, int64(s.First), int64(s.Last), s.Records)
		}
		for _, x := range r.Wrong {
			fmt.Fprintf(w, "%s, offset %d: %s\n", where, int64(x.Offset), x.Reason)
		}
	}
}

// bound is what of a partition is audited: what is there at the moment.
type bound struct {
	topic      string
	partition  int32
	start, end protocol.Offset
}

func (a *auditCommand) bounds(ctx context.Context, client *kgo.Client, topic string) ([]bound, error) {
	adm := kadm.NewClient(client)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	var out []bound
	for p, start := range starts[topic] {
		end, _ := ends.Lookup(topic, p)
		if start.Err != nil {
			return nil, command.TopicError(topic, start.Err)
		}
		if a.partition < 0 || a.partition == p {
			out = append(out, bound{topic, p, protocol.Offset(start.Offset), protocol.Offset(end.Offset)})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("topic %q has no partition %d", topic, a.partition)
	}
	slices.SortFunc(out, func(a, b bound) int { return int(a.partition - b.partition) })
	return out, nil
}

// read fetches whole batches, since what is judged together is decided by them.
func (a *auditCommand) read(ctx context.Context, kafka *kgo.Client, topic string, b bound, aud *auditor) error {
	defer a.progressDone()
	span := client.Batches{
		Client: kafka, Topic: topic, Partition: b.partition, From: int64(b.start), End: int64(b.end),
		Patience: a.cluster.Timeout,
	}
	return span.Each(ctx, func(batch record.Batch) error {
		if err := aud.fold(batch); err != nil {
			return err
		}
		a.progress(topic, b, aud.next)
		return nil
	})
}

// progress says on a terminal how far the reading is.
func (a *auditCommand) progress(topic string, b bound, next protocol.Offset) {
	if a.s.ErrIsTTY {
		done := 100 * (next - b.start) / max(1, b.end-b.start)
		fmt.Fprintf(a.s.Err, "\r%s-%d: %3d %%", topic, b.partition, min(100, int64(done)))
	}
}

func (a *auditCommand) progressDone() {
	if a.s.ErrIsTTY {
		fmt.Fprint(a.s.Err, "\r\033[K")
	}
}
