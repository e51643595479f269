package command

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Kafka is what the commands share that ask brokers by the Kafka protocol: a
// cluster, a format, and a client that lives as long as the command.
type Kafka struct {
	Streams *Streams
	Cluster Cluster
	Format  Format
}

// Flags adds the flags of Cluster and Format.
func (k *Kafka) Flags(cmd *cobra.Command) *cobra.Command {
	k.Cluster.Flags(cmd, k.Streams)
	k.Format.Flag(cmd)
	return cmd
}

// With is Connected with an admin client.
func (k *Kafka) With(cmd *cobra.Command, do func(context.Context, *kadm.Client) error) error {
	return k.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error { return do(ctx, k.Cluster.AdminOf(cl)) })
}

// Connected runs do with a client that is connected, for as long as --timeout says.
func (k *Kafka) Connected(cmd *cobra.Command, do func(context.Context, *kgo.Client) error) error {
	ctx, cancel := Within(cmd.Context(), k.Cluster.Timeout)
	defer cancel()
	cl, err := k.Cluster.Connect(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	return EndedBy(ctx, do(ctx, cl))
}
