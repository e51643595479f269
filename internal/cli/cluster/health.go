package cluster

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// clusterHealth is the broker's word on its cluster.
type clusterHealth struct {
	Healthy         bool               `json:"healthy" yaml:"healthy"`
	Degraded        bool               `json:"degraded" yaml:"degraded"`
	StaleSince      *time.Time         `json:"stale_since,omitempty" yaml:"stale_since,omitempty"`
	ClusterID       string             `json:"cluster_id" yaml:"cluster_id"`
	Controller      int32              `json:"controller" yaml:"controller"`
	Brokers         []int32            `json:"brokers" yaml:"brokers"`
	Missing         []int32            `json:"missing_brokers" yaml:"missing_brokers"`
	Topics          int                `json:"topics" yaml:"topics"`
	Partitions      int                `json:"partitions" yaml:"partitions"`
	Store           string             `json:"metadata_store" yaml:"metadata_store"`
	Problems        []string           `json:"problems" yaml:"problems"`
	Offline         []partitionProblem `json:"offline_partitions" yaml:"offline_partitions"`
	UnderMinISR     []partitionProblem `json:"under_min_isr_partitions" yaml:"under_min_isr_partitions"`
	UnderReplicated []partitionProblem `json:"under_replicated_partitions" yaml:"under_replicated_partitions"`
	LeftOut         int                `json:"left_out" yaml:"left_out"`
}

type partitionProblem struct {
	Topic     string `json:"topic" yaml:"topic"`
	Partition int32  `json:"partition" yaml:"partition"`
	Reason    string `json:"reason" yaml:"reason"`
}

func newClusterHealth(s *command.Streams) *cobra.Command {
	var h command.HTTP
	var f command.Format
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Is the cluster well, and if not, what is wrong and why?",
		Long: "Is the cluster well, and if not, what is wrong and why? Exit code 0 if all is well, 1 if not.\n\n" +
			"healthy: everything can be read, written with acks=all, and changed. degraded: something is\n" +
			"wrong that the replicas make up for; wait until it is over before the next broker is stopped.\n" +
			"A broker's own readiness is told by \"lockstep health\".",
		Args: command.Arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer clusterHealth
			addrs, err := h.Addrs(cmd)
			if err != nil {
				return err
			}
			a, err := h.GetAny(cmd.Context(), addrs, nil, "v1", "cluster", "health")
			if err != nil {
				return err
			}
			if err := a.Into(&answer); err != nil {
				return err
			}
			if err := f.Render(s.Out, answer, answer.print); err != nil {
				return err
			}
			if !answer.Healthy || answer.Degraded {
				return command.ErrNegative
			}
			return nil
		},
	}
	h.Flags(cmd, s)
	f.Flag(cmd)
	return cmd
}

func (h clusterHealth) print(w io.Writer) {
	state := "healthy"
	switch {
	case !h.Healthy:
		state = "unhealthy"
	case h.Degraded:
		state = "degraded"
	}
	command.Row(w, "STATE", state)
	command.Row(w, "CLUSTER", h.ClusterID)
	asOf := ""
	if h.StaleSince != nil {
		asOf = " as of " + h.StaleSince.UTC().Format(time.RFC3339)
	}
	command.Row(w, "CONTROLLER", fmt.Sprint(h.Controller, asOf))
	command.Row(w, "BROKERS", command.IDList(h.Brokers)+asOf)
	if len(h.Missing) > 0 {
		command.Row(w, "MISSING", command.IDList(h.Missing))
	}
	command.Row(w, "TOPICS", h.Topics)
	command.Row(w, "PARTITIONS", h.Partitions)
	command.Row(w, "METADATA", h.Store)
	for _, p := range h.Problems {
		command.Row(w, "PROBLEM", p)
	}
	if len(h.Offline)+len(h.UnderMinISR)+len(h.UnderReplicated) > 0 {
		fmt.Fprintln(w)
		command.Row(w, "PROBLEM", "PARTITION", "REASON")
	}
	for _, list := range []struct {
		what       string
		partitions []partitionProblem
	}{{"offline", h.Offline}, {"under min ISR", h.UnderMinISR}, {"under-replicated", h.UnderReplicated}} {
		for _, p := range list.partitions {
			command.Row(w, list.what, p.Topic+"-"+strconv.Itoa(int(p.Partition)), p.Reason)
		}
	}
	if h.LeftOut > 0 {
		fmt.Fprintf(w, "and %d more\n", h.LeftOut)
	}
}

func portText(port int32) string {
	if port == 0 {
		return ""
	}
	return strconv.Itoa(int(port))
}
