package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// addition says how a broker is added, and waits for it.
type addition struct {
	command.Kafka
	id   int32
	wait time.Duration
}

// added is a broker that is to come, or has come.
type added struct {
	Broker int32  `json:"broker" yaml:"broker"`
	Status string `json:"status" yaml:"status"` // waiting, live
	Join   string `json:"join" yaml:"join"`     // what --join is to be
}

const additionPoll = 200 * time.Millisecond

func newClusterAdd(s *command.Streams) *cobra.Command {
	a := &addition{Kafka: command.Kafka{Streams: s}}
	cmd := a.Flags(command.Annotate(&cobra.Command{
		Use:   "add",
		Short: "Say how a broker is added to the running cluster, and wait until it is there",
		Long: "Say how a broker is added to the running cluster: by which id and which --join it is to be\n" +
			"started. With --wait, wait until it is there. The broker itself asks to be let in; what is\n" +
			"wrong with it is said in its own log.",
		Args: command.Arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.With(cmd, func(ctx context.Context, adm *kadm.Client) error { return a.run(ctx, cmd.Context(), adm) })
		},
	}, command.OpenEnded))
	cmd.Flags().Int32Var(&a.id, "node-id", -1, "`ID` of the new broker; -1: one above those that there are")
	cmd.Flags().DurationVar(&a.wait, "wait", 0, "wait until the broker is there, for this `DURATION` at most")
	return cmd
}

func (a *addition) run(ctx, whole context.Context, adm *kadm.Client) error {
	brokers, err := adm.ListBrokers(ctx)
	if err != nil {
		return err
	}
	topics, err := adm.ListTopicsWithInternal(ctx)
	if err != nil {
		return err
	}
	known := brokers.NodeIDs()
	for id := range replicasOf(topics) { // those that are down hold replicas
		known = append(known, id)
	}
	switch {
	case len(brokers) == 0:
		return fmt.Errorf("no broker lives that could let another one in")
	case a.id < 0:
		a.id = slices.Max(known) + 1
	case slices.Contains(known, a.id):
		return fmt.Errorf("there is a broker %d already; there are %s", a.id, command.IDList(known))
	}
	b := brokers[0]
	next := added{a.id, "waiting", net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))}
	fmt.Fprintf(a.Streams.Err, "lockstep: start broker %d, on an empty data directory, with\n\n"+
		"  lockstep serve --node-id %d --data-dir DIR --listen HOST:PORT --http HOST:PORT --join %s\n\n", next.Broker, next.Broker, next.Join)
	if a.wait > 0 {
		if err := a.await(whole, adm); err != nil {
			return err
		}
		next.Status = "live"
	}
	return a.Format.Render(a.Streams.Out, next, func(w io.Writer) {
		command.Row(w, "ID", "STATE", "JOIN")
		command.Row(w, next.Broker, next.Status, next.Join)
	})
}

// await returns when the broker is there.
func (a *addition) await(ctx context.Context, adm *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, a.wait)
	defer cancel()
	for {
		brokers, err := adm.ListBrokers(ctx)
		if err == nil && slices.Contains(brokers.NodeIDs(), a.id) {
			return nil
		}
		select {
		case <-time.After(additionPoll):
		case <-ctx.Done():
			return fmt.Errorf("broker %d is not there after %s", a.id, a.wait)
		}
	}
}
