package records

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// lull is how long a fetch may bring nothing before the consumer looks whether
// the rest of its span holds no records at all.
const lull = 300 * time.Millisecond

// consumeCommand prints records.
type consumeCommand struct {
	s          *command.Streams
	cluster    command.Cluster
	format     command.Format
	partitions []int32
	position   string
	count      int
	exitAtEnd  bool
	layout     string
}

// NewConsume is the command consume.
func NewConsume(s *command.Streams) *cobra.Command {
	c := &consumeCommand{s: s}
	cmd := &cobra.Command{
		Use:   "consume TOPIC",
		Short: "Print records",
		Long: "Print records, by default as one line each with offset, key and value.\n\n" +
			"-o start|end|+N|-N|@TIME|OFFSET says where to begin; TIME is Unix seconds or milliseconds,\n" +
			"a date, RFC 3339, or a duration before now such as -1h.\n\n" +
			"In LAYOUT stand %t topic, %p partition, %o offset, %d timestamp, %k key, %v value, %H number\n" +
			"of headers, %h{%k=%v } the headers, \\n line end, \\t tab.",
		Example: "  lockstep consume accounts -p 0 -e -f '%o %k=%v (%h{%k=%v })\\n'\n" +
			"  lockstep consume accounts -o -10 -n 10",
		Args: command.Arguments(1, 1, "a topic"),
		RunE: c.consumeTopic,
	}
	command.Annotate(cmd, command.OpenEnded)
	f := cmd.Flags()
	f.SortFlags = false
	f.Int32SliceVarP(&c.partitions, "partition", "p", nil, "partitions `N,...`; without it, all")
	f.StringVarP(&c.position, "offset", "o", "start", "`WHERE` to begin")
	f.IntVarP(&c.count, "num", "n", 0, "`COUNT` of records to print; 0: no limit")
	f.BoolVarP(&c.exitAtEnd, "exit-at-end", "e", false, "stop at what was the end when the command began")
	f.StringVarP(&c.layout, "print-format", "f", `%o %k %v\n`, "`LAYOUT` of each record")
	c.cluster.Flags(cmd, s)
	c.format.Flag(cmd)
	return cmd
}

func (c *consumeCommand) consumeTopic(cmd *cobra.Command, args []string) error {
	pos, err := command.ParsePosition(c.position, time.Now())
	if err != nil {
		return command.Usagef(cmd, "--offset: %w", err)
	}
	layout, err := kgo.NewRecordFormatter(c.layout)
	if err != nil {
		return command.Usagef(cmd, "--print-format: %w", err)
	}
	ctx := cmd.Context()
	client, err := c.cluster.Connect(ctx, kgo.FetchMaxWait(250*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return err
	}
	defer client.Close()
	spans, err := c.chosen(ctx, client, pos, args[0])
	if err != nil {
		return err
	}
	r := &reading{consumeCommand: c, client: client, topic: args[0], spans: spans,
		layout: layout, out: bufio.NewWriterSize(c.s.Out, 64<<10)}
	return errors.Join(r.all(ctx), r.out.Flush())
}

// chosen is the spans of the partitions that were asked for.
func (c *consumeCommand) chosen(ctx context.Context, client *kgo.Client, pos command.Position,
	topic string) (map[int32]command.OffsetSpan, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cluster.Timeout)
	defer cancel()
	spans, err := pos.Spans(ctx, kadm.NewClient(client), topic)
	if err != nil || len(c.partitions) == 0 {
		return spans, err
	}
	some := map[int32]command.OffsetSpan{}
	for _, p := range c.partitions {
		s, ok := spans[p]
		if !ok {
			return nil, fmt.Errorf("topic %q has no partition %d; it has %d partitions", topic, p, len(spans))
		}
		some[p] = s
	}
	return some, nil
}

// reading is one run of the command; one goroutine owns it.
type reading struct {
	*consumeCommand
	client  *kgo.Client
	topic   string
	spans   map[int32]command.OffsetSpan // what is left, partition by partition
	layout  *kgo.RecordFormatter
	out     *bufio.Writer
	printed int
}

// all prints until the count, the end or an interruption, which is how an
// endless reading is ended and no error, unless more was asked for.
func (r *reading) all(ctx context.Context) error {
	r.assign()
	for !r.finished() {
		fetches, err := r.poll(ctx)
		if ctx.Err() != nil {
			if r.exitAtEnd || r.count > 0 {
				return context.Cause(ctx)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if err := errors.Join(r.print(fetches), r.out.Flush()); err != nil {
			return err
		}
		if r.exitAtEnd && fetches.NumRecords() == 0 {
			if err := r.skipEmptyTails(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reading) assign() {
	offsets := map[int32]kgo.Offset{}
	for p, s := range r.spans {
		if r.exitAtEnd && s.Next >= s.End {
			delete(r.spans, p)
			continue
		}
		offsets[p] = kgo.NewOffset().At(s.Next)
	}
	r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: offsets})
}

func (r *reading) finished() bool {
	return len(r.spans) == 0 || (r.count > 0 && r.printed >= r.count)
}

// poll waits for records, no longer than a lull.
func (r *reading) poll(ctx context.Context) (kgo.Fetches, error) {
	waiting, cancel := context.WithTimeout(ctx, lull)
	defer cancel()
	fetches := r.client.PollFetches(waiting)
	for _, e := range fetches.Errors() {
		switch {
		case errors.Is(e.Err, context.DeadlineExceeded), errors.Is(e.Err, context.Canceled):
		case errors.Is(e.Err, kerr.OffsetOutOfRange):
			if err := r.goOnAtStart(ctx, e.Partition, e.Err); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("%s/%d: %w", e.Topic, e.Partition, e.Err)
		}
	}
	return fetches, nil
}

// goOnAtStart is for a partition whose next records were removed while it was
// read: it says so and goes on where the log starts now. An offset that is not in
// the log for any other reason is an error; to begin anew would print again what
// was printed.
func (r *reading) goOnAtStart(ctx context.Context, partition int32, why error) error {
	starts, err := kadm.NewClient(r.client).ListStartOffsets(ctx, r.topic)
	if err != nil {
		return err
	}
	s, reading := r.spans[partition]
	start, ok := starts.Lookup(r.topic, partition)
	switch {
	case !reading:
		return nil
	case !ok || start.Err != nil || start.Offset <= s.Next:
		return fmt.Errorf("%s/%d: offset %d is not in the log: %w", r.topic, partition, s.Next, why)
	}
	fmt.Fprintf(r.s.Err, "%s/%d: offsets %d to %d were removed; going on at %d\n", r.topic, partition, s.Next,
		start.Offset-1, start.Offset)
	r.advance(partition, start.Offset)
	at := map[string]map[int32]kgo.Offset{r.topic: {partition: kgo.NewOffset().At(start.Offset)}}
	r.client.RemoveConsumePartitions(map[string][]int32{r.topic: {partition}})
	if _, reading := r.spans[partition]; reading {
		r.client.AddConsumePartitions(at)
	}
	return nil
}

func (r *reading) print(fetches kgo.Fetches) error {
	for rec := range fetches.RecordsAll() {
		s, reading := r.spans[rec.Partition]
		if !reading || r.finished() || (r.exitAtEnd && rec.Offset >= s.End) {
			continue
		}
		if err := r.printOne(rec); err != nil {
			return err
		}
		r.printed++
		r.advance(rec.Partition, rec.Offset+1)
	}
	return nil
}

// advance notes that a partition has been read up to next.
func (r *reading) advance(partition int32, next int64) {
	s := r.spans[partition]
	s.Next = next
	r.spans[partition] = s
	if r.exitAtEnd && next >= s.End {
		delete(r.spans, partition)
	}
}

func (r *reading) printOne(rec *kgo.Record) error {
	if r.format == command.FormatText {
		_, err := r.out.Write(r.layout.AppendRecord(r.out.AvailableBuffer(), rec))
		return err
	}
	return r.format.Encode(r.out, command.DescribeRecord(rec))
}
