package txn

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// place is a transaction as a partition shows it.
type place struct {
	topic     string
	partition int32
	start     int64
}

func newAbort(s *command.Streams) *cobra.Command {
	t := newTxnCommand(s)
	at := place{start: -1}
	cmd := t.Flags(&cobra.Command{
		Use:   "abort [ID...]",
		Short: "Abort transactions, in all their partitions, and fence their producers",
		Long: "Abort transactions, in all their partitions, and fence their producers. The command ends when\n" +
			"they have ended. One that hangs has no transactional id that a coordinator knows: name the\n" +
			"partition and the offset that find-hanging shows.",
		Args: command.Arguments(0, -1, "transactional ids"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if (len(ids) > 0) == (at.topic != "") {
				return command.Usagef(cmd, "want transactional ids, or --topic, --partition and --start-offset")
			}
			return t.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error {
				if at.topic != "" {
					return t.abortAt(ctx, cl, at)
				}
				return t.abort(ctx, cl, ids)
			})
		},
	})
	cmd.Flags().StringVar(&at.topic, "topic", "", "the `TOPIC` of a transaction that hangs")
	cmd.Flags().Int32Var(&at.partition, "partition", 0, "its `PARTITION` (0: the first)")
	cmd.Flags().Int64Var(&at.start, "start-offset", -1, "the `OFFSET` at which it begins")
	return cmd
}

// abort has the coordinators end transactions.
func (t *txnCommand) abort(ctx context.Context, cl *kgo.Client, ids []string) (failed error) {
	for _, id := range ids {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID = id
		req.UnknownTags.Set(protocol.TagEndByOthers, []byte{1})
		resp, err := req.RequestWith(ctx, cl)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err != nil {
			failed = errors.Join(failed, txnError(id, err))
			continue
		}
		fmt.Fprintf(t.Streams.Out, "aborted %s\n", protocol.Printable(id))
	}
	return failed
}

// abortAt has a partition end a transaction that begins at an offset there. If a
// coordinator knows it after all, that ends all of it.
func (t *txnCommand) abortAt(ctx context.Context, cl *kgo.Client, at place) error {
	var set kadm.TopicsSet
	set.Add(at.topic, at.partition)
	described, err := kadm.NewClient(cl).DescribeProducers(ctx, set)
	if err != nil {
		return err
	}
	for _, p := range described.SortedProducers() {
		if p.CurrentTxnStartOffset != at.start || at.start < 0 {
			continue
		}
		req := kmsg.NewPtrWriteTxnMarkersRequest()
		m := kmsg.NewWriteTxnMarkersRequestMarker()
		m.ProducerID, m.ProducerEpoch, m.CoordinatorEpoch = p.ProducerID, p.ProducerEpoch, p.CoordinatorEpoch
		m.Topics = []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: at.topic, Partitions: []int32{at.partition}}}
		req.Markers = append(req.Markers, m)
		resp, err := cl.Broker(int(p.Leader)).Request(ctx, req)
		if err != nil {
			return err
		}
		written := resp.(*kmsg.WriteTxnMarkersResponse).Markers[0].Topics[0].Partitions[0]
		if err := kerr.ErrorForCode(written.ErrorCode); err != nil {
			return fmt.Errorf("%s-%d: %w", at.topic, at.partition, err)
		}
		fmt.Fprintf(t.Streams.Out, "aborted what began at offset %d of %s-%d\n", at.start, protocol.Printable(at.topic), at.partition)
		return nil
	}
	return fmt.Errorf("no transaction is open that begins at offset %d of %s-%d", at.start, at.topic, at.partition)
}
