package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// New is the command cluster.
func New(s *command.Streams) *cobra.Command {
	return command.Group("cluster", "Look at the cluster, and move what it holds",
		newClusterInfo(s), newClusterHealth(s), newClusterBrokers(s), newClusterReassign(s),
		newClusterRebalance(s), newClusterAdd(s), newClusterRemove(s))
}

// clusterInfo counts what the metadata shows.
type clusterInfo struct {
	ClusterID       string `json:"cluster_id" yaml:"cluster_id"`
	Controller      int32  `json:"controller" yaml:"controller"`
	Brokers         int    `json:"brokers" yaml:"brokers"` // that answer
	Topics          int    `json:"topics" yaml:"topics"`
	Partitions      int    `json:"partitions" yaml:"partitions"`
	UnderReplicated int    `json:"under_replicated" yaml:"under_replicated"`
	Leaderless      int    `json:"leaderless" yaml:"leaderless"`
	Moving          int    `json:"moving" yaml:"moving"` // -1: the controller could not be asked
}

func newClusterInfo(s *command.Streams) *cobra.Command {
	t := &command.Kafka{Streams: s}
	return t.Flags(&cobra.Command{
		Use:   "info",
		Short: "Count brokers, topics and partitions, and what is not as it should be",
		Args:  command.Arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error {
				adm := t.Cluster.AdminOf(cl)
				meta, err := adm.Metadata(ctx)
				if err != nil {
					return err
				}
				info := countCluster(&meta)
				probed := probe(ctx, &t.Cluster, cl, meta.Brokers)
				unasked := info.countMoving(ctx, adm, &meta, probed)
				for _, p := range probed {
					if p.err == nil {
						info.Brokers++
					}
				}
				err = t.Format.Render(s.Out, info, info.print)
				return errors.Join(err, reportProbed(s.Err, probed), unasked)
			})
		},
	})
}

// countCluster counts what the metadata shows, but for the brokers, which are to
// be asked themselves.
func countCluster(meta *kadm.Metadata) clusterInfo {
	info := clusterInfo{ClusterID: meta.Cluster, Controller: meta.Controller, Topics: len(meta.Topics)}
	meta.Topics.EachPartition(func(p kadm.PartitionDetail) {
		info.Partitions++
		if p.Leader < 0 {
			info.Leaderless++
		}
		if len(p.ISR) < len(p.Replicas) {
			info.UnderReplicated++
		}
	})
	return info
}

// countMoving asks the controller, if that answers.
func (i *clusterInfo) countMoving(ctx context.Context, adm *kadm.Client, meta *kadm.Metadata,
	probed []probedBroker) error {
	at := slices.IndexFunc(probed, func(p probedBroker) bool { return p.id == meta.Controller })
	err := errors.New("there is none")
	var moving []movingPartition
	if at >= 0 {
		if err = probed[at].err; err == nil {
			moving, err = movingPartitions(ctx, adm, meta.Topics)
		}
	}
	if i.Moving = len(moving); err != nil {
		i.Moving = -1
		return fmt.Errorf("what is moving could not be asked of the controller, broker %d: %w", meta.Controller, err)
	}
	return nil
}

func (i clusterInfo) print(w io.Writer) {
	command.Row(w, "CLUSTER", i.ClusterID)
	command.Row(w, "CONTROLLER", i.Controller)
	command.Row(w, "BROKERS", i.Brokers)
	command.Row(w, "TOPICS", i.Topics)
	command.Row(w, "PARTITIONS", i.Partitions)
	command.Row(w, "UNDER-REPLICATED", i.UnderReplicated)
	command.Row(w, "LEADERLESS", i.Leaderless)
	command.Row(w, "MOVING", command.NumberOrDash(int64(i.Moving)))
}

// movingPartitions are those that are being moved, in order.
func movingPartitions(ctx context.Context, adm *kadm.Client, topics kadm.TopicDetails) ([]movingPartition, error) {
	listed, err := adm.ListPartitionReassignments(ctx, topics.TopicsSet())
	if err != nil {
		return nil, err
	}
	moving := []movingPartition{}
	for _, p := range listed.Sorted() {
		moving = append(moving,
			movingPartition{p.Topic, p.Partition, p.Replicas, listOf(p.AddingReplicas), listOf(p.RemovingReplicas)})
	}
	return moving, nil
}

// movingPartition is a partition on its way to other brokers.
type movingPartition struct {
	Topic     string  `json:"topic" yaml:"topic"`
	Partition int32   `json:"partition" yaml:"partition"`
	Replicas  []int32 `json:"replicas" yaml:"replicas"`
	Adding    []int32 `json:"adding" yaml:"adding"`
	Removing  []int32 `json:"removing" yaml:"removing"`
}

// listOf is a list that is never null in JSON.
func listOf(l []int32) []int32 { return slices.Concat([]int32{}, l) }
