package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newBenchConsume(s *command.Streams) *cobra.Command {
	b := &benchCommand{s: s}
	cmd := &cobra.Command{
		Use:     "consume TOPIC",
		Short:   "Read a topic once as fast as it comes",
		Example: "  lockstep bench consume accounts -n 1000000",
		Args:    command.Arguments(1, 1, "a topic"),
		RunE:    func(cmd *cobra.Command, args []string) error { return b.consume(cmd.Context(), args[0]) },
	}
	return b.flags(cmd)
}

func (b *benchCommand) consume(ctx context.Context, topic string) error {
	cl, err := b.cluster.Connect(ctx, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	there, err := recordsThere(ctx, cl, topic)
	if err != nil {
		return err
	}
	if b.records == 0 || b.records > there {
		b.records = there
	}
	m := b.meter()
	reading, stop := context.WithDeadline(ctx, m.ends)
	defer stop()
	still := b.progress(reading, m)
	err = readUntil(reading, cl, m)
	r := m.result("consume", topic)
	still()
	if err != nil {
		return err
	}
	return b.tell(r)
}

// recordsThere is how many offsets a topic holds, which may be more than
// records.
func recordsThere(ctx context.Context, cl *kgo.Client, topic string) (n int64, err error) {
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	for p, start := range starts[topic] {
		if start.Err != nil {
			return 0, command.TopicError(topic, start.Err)
		}
		end, _ := ends.Lookup(topic, p)
		n += end.Offset - start.Offset
	}
	if n == 0 {
		return 0, fmt.Errorf("topic %q holds nothing to read", topic)
	}
	return n, nil
}

// readUntil reads until the count, the deadline, or a lull at the end: where
// batches are empty there are fewer records than offsets.
func readUntil(ctx context.Context, cl *kgo.Client, m *meter) error {
	for m.records.Load() < m.most {
		waiting, cancel := context.WithTimeout(ctx, benchLull)
		fetches := cl.PollFetches(waiting)
		cancel()
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) && !errors.Is(e.Err, context.Canceled) {
				return fmt.Errorf("%s/%d: %w", e.Topic, e.Partition, e.Err)
			}
		}
		if fetches.NumRecords() == 0 {
			return nil
		}
		for r := range fetches.RecordsAll() {
			m.records.Add(1)
			m.bytes.Add(int64(len(r.Value)))
		}
	}
	return nil
}

// benchLull is how long a fetch may bring nothing before the topic counts as read.
const benchLull = 900 * time.Millisecond
