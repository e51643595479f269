package cluster

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// listedBroker is a broker and what it holds.
type listedBroker struct {
	ID         int32      `json:"id" yaml:"id"`
	State      string     `json:"state" yaml:"state"`
	Live       bool       `json:"live" yaml:"live"` // it answers
	StaleSince *time.Time `json:"stale_since,omitempty" yaml:"stale_since,omitempty"`
	Host       string     `json:"host" yaml:"host"`
	Port       int32      `json:"port" yaml:"port"`
	Rack       string     `json:"rack" yaml:"rack"`
	Controller bool       `json:"controller" yaml:"controller"`
	Leads      int        `json:"leads" yaml:"leads"`
	Replicas   int        `json:"replicas" yaml:"replicas"`
	OutOfSync  int        `json:"out_of_sync" yaml:"out_of_sync"`
}

func newClusterBrokers(s *command.Streams) *cobra.Command {
	t := &command.Kafka{Streams: s}
	var replace int32
	cmd := t.Flags(&cobra.Command{
		Use:   "brokers",
		Short: "List brokers, what they lead and what they hold; those that are down too, while they hold replicas",
		Long: "List brokers, what they lead and what they hold, those that are down too while they hold\n" +
			"replicas. Each that the metadata lists is asked itself:\n\n" +
			"  live       it answers\n" +
			"  stale      it answers, and has no contact with the metadata store\n" +
			"  no answer  it does not, though the metadata lists it; exit code 1\n" +
			"  down       the metadata lists it no more",
		Args: command.Arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("replace") {
				return replaceMember(cmd, t, replace)
			}
			return t.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error {
				meta, err := t.Cluster.AdminOf(cl).Metadata(ctx)
				if err != nil {
					return err
				}
				probed := probe(ctx, &t.Cluster, cl, meta.Brokers)
				brokers := brokersOf(&meta, probed)
				err = t.Format.Render(s.Out, brokers, func(w io.Writer) { printBrokers(w, brokers) })
				return errors.Join(err, reportProbed(s.Err, probed))
			})
		},
	})
	cmd.Flags().Int32Var(&replace, "replace", 0, "forget what broker `ID`, which is down for good, was to etcd, so "+
		"that it may start anew with an empty directory")
	return cmd
}

func brokersOf(meta *kadm.Metadata, probed []probedBroker) []listedBroker {
	byID := map[int32]*listedBroker{}
	broker := func(id int32) *listedBroker {
		if byID[id] == nil {
			byID[id] = &listedBroker{ID: id, State: "down"}
		}
		return byID[id]
	}
	for _, d := range meta.Brokers {
		b := broker(d.NodeID)
		b.Host, b.Port, b.Controller = d.Host, d.Port, d.NodeID == meta.Controller
		if d.Rack != nil {
			b.Rack = *d.Rack
		}
	}
	for _, p := range probed {
		b := broker(p.id)
		b.Live, b.StaleSince, b.State = p.err == nil, p.staleSince, p.state()
	}
	meta.Topics.EachPartition(func(p kadm.PartitionDetail) {
		if p.Leader >= 0 {
			broker(p.Leader).Leads++
		}
		for _, id := range p.Replicas {
			b := broker(id)
			b.Replicas++
			if !slices.Contains(p.ISR, id) {
				b.OutOfSync++
			}
		}
	})
	brokers := []listedBroker{}
	for _, b := range byID {
		brokers = append(brokers, *b)
	}
	slices.SortFunc(brokers, func(a, b listedBroker) int { return cmp.Compare(a.ID, b.ID) })
	return brokers
}

func printBrokers(w io.Writer, brokers []listedBroker) {
	command.Row(w, "ID", "STATE", "HOST", "PORT", "RACK", "CONTROLLER", "LEADS", "REPLICAS", "OUT-OF-SYNC")
	for _, b := range brokers {
		controller := "-"
		if b.Controller {
			controller = "yes"
		}
		command.Row(w, b.ID, b.State, command.OrDashIfBlank(b.Host), command.OrDashIfBlank(portText(b.Port)),
			command.OrDashIfBlank(b.Rack), controller, b.Leads, b.Replicas, b.OutOfSync)
	}
}
