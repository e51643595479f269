package txn

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// described is one transactional id.
type described struct {
	ID          string             `json:"transactional_id" yaml:"transactional_id"`
	State       string             `json:"state" yaml:"state"`
	Coordinator int32              `json:"coordinator" yaml:"coordinator"`
	Producer    int64              `json:"producer_id" yaml:"producer_id"`
	Epoch       int16              `json:"producer_epoch" yaml:"producer_epoch"`
	TimeoutMs   int32              `json:"timeout_ms" yaml:"timeout_ms"`
	StartMs     int64              `json:"start_ms" yaml:"start_ms"` // -1: none since the producer came
	Partitions  map[string][]int32 `json:"partitions" yaml:"partitions"`
}

func newDescribe(s *command.Streams) *cobra.Command {
	t := newTxnCommand(s)
	return t.Flags(&cobra.Command{
		Use:   "describe ID...",
		Short: "Show the state, the producer and the partitions of transactional ids",
		Args:  command.Arguments(1, -1, "transactional ids"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return t.With(cmd, func(ctx context.Context, adm *kadm.Client) error { return t.describe(ctx, adm, ids) })
		},
	})
}

func (t *txnCommand) describe(ctx context.Context, adm *kadm.Client, ids []string) error {
	all, err := adm.DescribeTransactions(ctx, ids...)
	if err != nil && len(all) == 0 {
		return err
	}
	var list []described
	var texts []string // of their partitions
	var failed error
	for _, id := range ids {
		d, ok := all[id]
		if !ok || d.Err != nil {
			failed = errors.Join(failed, txnError(id, d.Err))
			continue
		}
		out := described{
			ID: id, State: d.State, Coordinator: d.Coordinator, Producer: d.ProducerID, Epoch: d.ProducerEpoch,
			TimeoutMs: d.TimeoutMillis, StartMs: d.StartTimestamp, Partitions: map[string][]int32{},
		}
		for _, topic := range d.Topics.Sorted() {
			out.Partitions[topic.Topic] = slices.Sorted(slices.Values(topic.Partitions))
		}
		list, texts = append(list, out), append(texts, partitionsText(d.Topics))
	}
	err = t.Format.Render(t.Streams.Out, list, func(w io.Writer) {
		command.Row(w, "TRANSACTIONAL ID", "STATE", "PRODUCER", "EPOCH", "TIMEOUT", "STARTED", "COORDINATOR", "PARTITIONS")
		for i, d := range list {
			started := "-"
			if d.StartMs >= 0 {
				started = time.UnixMilli(d.StartMs).UTC().Format(time.RFC3339)
			}
			timeout := time.Duration(d.TimeoutMs) * time.Millisecond
			command.Row(w, d.ID, d.State, d.Producer, d.Epoch, timeout, started, d.Coordinator, texts[i])
		}
	})
	return errors.Join(err, failed)
}
