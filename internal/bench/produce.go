package bench

import (
	"context"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newBenchProduce(s *command.Streams) *cobra.Command {
	b := &benchCommand{s: s}
	cmd := &cobra.Command{
		Use:   "produce [TOPIC]",
		Short: "Produce as fast as acknowledgements come",
		Long: "Produce records with acks=all as fast as acknowledgements come. Without TOPIC a new one is\n" +
			"made and removed again. Latency is from the call to the acknowledgement.",
		Example: "  lockstep bench produce --size 1000 --duration 5s",
		Args:    command.Arguments(0, 1, "at most one topic"),
		RunE:    func(cmd *cobra.Command, args []string) error { return b.produce(cmd.Context(), args) },
	}
	b.sizeFlag(cmd)
	return b.flags(cmd)
}

func (b *benchCommand) produce(ctx context.Context, args []string) error {
	topic, remove, err := b.topic(ctx, args)
	if err != nil {
		return err
	}
	defer remove()
	cl, err := b.cluster.Connect(ctx, kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer cl.Close()
	f := &failure{command: ctx}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f.stop = stop
	m, value := b.meter(), b.value()
	still := b.progress(ctx, m)
	var sent sync.WaitGroup
	for m.next(ctx) {
		sent.Add(1)
		began := time.Now()
		cl.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			defer sent.Done()
			if err != nil {
				f.is(err)
				return
			}
			m.done(len(value), time.Since(began))
		})
	}
	sent.Wait()
	r := m.result("produce", topic)
	still()
	if f.err != nil {
		return command.TopicError(topic, f.err)
	}
	return b.tell(r)
}
