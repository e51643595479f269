package txn

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// hanging is a transaction that is open in a partition, and that no coordinator knows.
type hanging struct {
	Topic     string `json:"topic" yaml:"topic"`
	Partition int32  `json:"partition" yaml:"partition"`
	Start     int64  `json:"start_offset" yaml:"start_offset"`
	Producer  int64  `json:"producer_id" yaml:"producer_id"`
	Epoch     int16  `json:"producer_epoch" yaml:"producer_epoch"`
	LastMs    int64  `json:"last_timestamp_ms" yaml:"last_timestamp_ms"`
}

func newFindHanging(s *command.Streams) *cobra.Command {
	t := newTxnCommand(s)
	return t.Flags(&cobra.Command{
		Use:   "find-hanging [TOPIC...]",
		Short: "Find transactions that are open in a partition and that no coordinator knows",
		Args:  command.Arguments(0, -1, "topics"),
		RunE: func(cmd *cobra.Command, topics []string) error {
			return t.With(cmd, func(ctx context.Context, adm *kadm.Client) error { return t.findHanging(ctx, adm, topics) })
		},
	})
}

func (t *txnCommand) findHanging(ctx context.Context, adm *kadm.Client, topics []string) error {
	details, err := adm.ListTopicsWithInternal(ctx, topics...)
	if err != nil {
		return err
	}
	// The partitions come first: a transaction that ends in between is not said to hang,
	// and one that has begun since is known.
	producers, err := adm.DescribeProducers(ctx, details.TopicsSet())
	if err != nil {
		return err
	}
	known, err := adm.ListTransactions(ctx, nil, []string{"Ongoing", "PrepareCommit", "PrepareAbort"})
	if err != nil {
		return err
	}
	open := map[int64]bool{}
	for _, l := range known {
		open[l.ProducerID] = true
	}
	list := []hanging{}
	for _, p := range producers.SortedProducers() {
		if p.CurrentTxnStartOffset >= 0 && !open[p.ProducerID] {
			list = append(list, hanging{p.Topic, p.Partition, p.CurrentTxnStartOffset, p.ProducerID, p.ProducerEpoch, p.LastTimestamp})
		}
	}
	return t.Format.Render(t.Streams.Out, list, func(w io.Writer) {
		command.Row(w, "TOPIC", "PARTITION", "START OFFSET", "PRODUCER", "EPOCH", "LAST WRITE")
		for _, h := range list {
			command.Row(w, h.Topic, h.Partition, h.Start, h.Producer, h.Epoch, time.UnixMilli(h.LastMs).UTC().Format(time.RFC3339))
		}
	})
}
