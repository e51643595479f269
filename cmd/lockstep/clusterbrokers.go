package main

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

// listedBroker is a broker and what it holds.
type listedBroker struct {
	ID         int32  `json:"id" yaml:"id"`
	Live       bool   `json:"live" yaml:"live"`
	Host       string `json:"host" yaml:"host"`
	Port       int32  `json:"port" yaml:"port"`
	Rack       string `json:"rack" yaml:"rack"`
	Controller bool   `json:"controller" yaml:"controller"`
	Leads      int    `json:"leads" yaml:"leads"`
	Replicas   int    `json:"replicas" yaml:"replicas"`
	OutOfSync  int    `json:"out_of_sync" yaml:"out_of_sync"`
}

func newClusterBrokers(s *streams) *cobra.Command {
	t := &topicCommand{s: s}
	var replace int32
	cmd := t.flags(&cobra.Command{
		Use:   "brokers",
		Short: "List brokers, what they lead and what they hold; those that are down too, while they hold replicas",
		Args:  arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("replace") {
				return replaceMember(cmd, t, replace)
			}
			return t.with(cmd, func(ctx context.Context, adm *kadm.Client) error {
				meta, err := adm.Metadata(ctx)
				if err != nil {
					return err
				}
				brokers := brokersOf(&meta)
				return t.format.render(s.out, brokers, func(w io.Writer) { printBrokers(w, brokers) })
			})
		},
	})
	cmd.Flags().Int32Var(&replace, "replace", 0, "forget what broker `ID`, which is down for good, was to etcd, so that it may start anew with an empty directory")
	return cmd
}

func brokersOf(meta *kadm.Metadata) []listedBroker {
	byID := map[int32]*listedBroker{}
	broker := func(id int32) *listedBroker {
		if byID[id] == nil {
			byID[id] = &listedBroker{ID: id}
		}
		return byID[id]
	}
	for _, d := range meta.Brokers {
		b := broker(d.NodeID)
		b.Live, b.Host, b.Port, b.Controller = true, d.Host, d.Port, d.NodeID == meta.Controller
		if d.Rack != nil {
			b.Rack = *d.Rack
		}
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
	row(w, "ID", "STATE", "HOST", "PORT", "RACK", "CONTROLLER", "LEADS", "REPLICAS", "OUT-OF-SYNC")
	for _, b := range brokers {
		state, controller := "live", "-"
		if !b.Live {
			state = "down"
		}
		if b.Controller {
			controller = "yes"
		}
		row(w, b.ID, state, orNone(b.Host), orNone(portText(b.Port)), orNone(b.Rack), controller, b.Leads, b.Replicas, b.OutOfSync)
	}
}
