package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// reassign moves partitions, or leadership, or tells what is moving.
type reassign struct {
	command.Kafka
	partitions []int32
	replicas   []int32
	replace    string
	cancel     bool
	leaders    bool
	wait       time.Duration
}

func newClusterReassign(s *command.Streams) *cobra.Command {
	r := &reassign{Kafka: command.Kafka{Streams: s}}
	cmd := r.Flags(command.Annotate(&cobra.Command{
		Use:   "reassign [TOPIC...]",
		Short: "Move partitions to other brokers; without a flag, list what is moving",
		Long: "Move partitions of the named topics, or of all, to other brokers, and go on serving them\n" +
			"meanwhile. A replica goes when those that come in its place are in sync.\n\n" +
			"  lockstep cluster reassign                          what is moving\n" +
			"  lockstep cluster reassign orders --replicas 1,2,3  these brokers hold it; leaders take turns\n" +
			"  lockstep cluster reassign --replace 3=4            broker 4 takes the place of broker 3\n" +
			"  lockstep cluster reassign --cancel                 take back what is under way\n" +
			"  lockstep cluster reassign --leaders                preferred replicas lead again",
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := r.check(cmd, names); err != nil {
				return err
			}
			return r.With(cmd, func(ctx context.Context, adm *kadm.Client) error {
				err := r.reassignTopics(ctx, adm, names)
				if err == nil || errors.Is(err, command.ErrNegative) {
					err = errors.Join(err, r.await(cmd.Context(), adm, names))
				}
				return err
			})
		},
	}, command.OpenEnded)) // --wait may be longer than a single answer takes
	cmd.Flags().Int32SliceVarP(&r.partitions, "partition", "p", nil, "partitions, `N,...` (default: all)")
	cmd.Flags().Int32SliceVar(&r.replicas, "replicas", nil, "brokers that are to hold them, `ID,...`; the first "+
		"prefers to lead")
	cmd.Flags().StringVar(&r.replace, "replace", "", "put one broker in the place of another, `OLD=NEW`")
	cmd.Flags().BoolVar(&r.cancel, "cancel", false, "take back what is under way")
	cmd.Flags().BoolVar(&r.leaders, "leaders", false, "have the preferred replicas lead again")
	cmd.Flags().DurationVar(&r.wait, "wait", 0, "wait until nothing of it is moving, for this `DURATION` at most")
	return cmd
}

func (r *reassign) check(cmd *cobra.Command, names []string) error {
	asked := 0
	for _, is := range []bool{len(r.replicas) > 0, r.replace != "", r.cancel, r.leaders} {
		if is {
			asked++
		}
	}
	switch {
	case asked > 1:
		return command.Usagef(cmd, "--replicas, --replace, --cancel and --leaders exclude each other")
	case len(r.replicas) > 0 && len(names) == 0:
		return command.Usagef(cmd, "--replicas wants topics; name them")
	case len(r.partitions) > 0 && len(names) != 1:
		return command.Usagef(cmd, "--partition wants one topic, got %s", command.DescribeArgs(names))
	}
	if _, _, err := r.replacement(); err != nil {
		return command.Usagef(cmd, "%w", err)
	}
	return nil
}

// replacement is what --replace says.
func (r *reassign) replacement() (old, by int32, err error) {
	if r.replace == "" {
		return 0, 0, nil
	}
	from, to, ok := strings.Cut(r.replace, "=")
	a, erra := strconv.ParseInt(from, 10, 32)
	b, errb := strconv.ParseInt(to, 10, 32)
	if !ok || erra != nil || errb != nil || a == b {
		return 0, 0, fmt.Errorf("--replace wants OLD=NEW, two different broker ids, got %q", r.replace)
	}
	return int32(a), int32(b), nil
}

func (r *reassign) reassignTopics(ctx context.Context, adm *kadm.Client, names []string) error {
	topics, err := r.topics(ctx, adm, names)
	if err != nil {
		return err
	}
	switch {
	case len(r.replicas) > 0 || r.replace != "":
		brokers, err := adm.ListBrokers(ctx)
		if err != nil {
			return err
		}
		if err := r.knows(topics, brokers.NodeIDs()); err != nil {
			return err
		}
		req, err := r.targets(topics, brokers.NodeIDs())
		if err != nil {
			return err
		}
		return r.alter(ctx, adm, "moving", req)
	case r.cancel:
		return r.cancelAll(ctx, adm, topics)
	case r.leaders:
		return r.elect(ctx, adm, topics)
	}
	moving, err := movingPartitions(ctx, adm, topics)
	if err != nil {
		return err
	}
	return r.Format.Render(r.Streams.Out, moving, func(w io.Writer) {
		command.Row(w, "TOPIC", "PARTITION", "REPLICAS", "ADDING", "REMOVING")
		for _, m := range moving {
			command.Row(w, m.Topic, m.Partition, command.IDList(m.Replicas), command.OrDashIfBlank(command.IDList(m.Adding)),
				command.OrDashIfBlank(command.IDList(m.Removing)))
		}
	})
}

// topics are those that are meant, with the partitions that are.
func (r *reassign) topics(ctx context.Context, adm *kadm.Client, names []string) (kadm.TopicDetails, error) {
	topics, err := adm.ListTopicsWithInternal(ctx, names...)
	if err != nil {
		return nil, err
	}
	for _, d := range topics {
		if d.Err != nil {
			return nil, command.TopicError(d.Topic, d.Err)
		}
		for _, p := range r.partitions {
			if _, ok := d.Partitions[p]; !ok {
				return nil, fmt.Errorf("topic %q has no partition %d; it has %s", d.Topic, p, command.PartitionRange(d.Partitions))
			}
		}
		for p := range d.Partitions {
			if len(r.partitions) > 0 && !slices.Contains(r.partitions, p) {
				delete(d.Partitions, p)
			}
		}
	}
	return topics, nil
}

// targets are the replicas that each partition is to have, as far as they are
// others than it has.
func (r *reassign) targets(topics kadm.TopicDetails, brokers []int32) (kadm.AlterPartitionAssignmentsReq, error) {
	old, by, _ := r.replacement()
	req := kadm.AlterPartitionAssignmentsReq{}
	load := replicasOf(topics)
	for _, d := range topics.Sorted() {
		for _, p := range d.Partitions.Sorted() {
			target := slices.Clone(p.Replicas)
			if len(r.replicas) > 0 {
				turn := int(p.Partition) % len(r.replicas)
				target = slices.Concat(r.replicas[turn:], r.replicas[:turn])
			} else if at := slices.Index(target, old); at >= 0 {
				id, err := standIn(p, old, by, brokers, load)
				if err != nil {
					return req, err
				}
				target[at] = id
				load[id]++
			}
			if !slices.Equal(target, p.Replicas) {
				req.Assign(p.Topic, p.Partition, target)
			}
		}
	}
	return req, nil
}

// knows reports which of the brokers that --replace names there is not: the new
// one is to be live, the old one to be that or to hold a replica.
func (r *reassign) knows(topics kadm.TopicDetails, brokers []int32) error {
	if r.replace == "" {
		return nil
	}
	old, by, _ := r.replacement()
	_, holds := replicasOf(topics)[old]
	switch {
	case !slices.Contains(brokers, by):
		return fmt.Errorf("broker %d is not there to take anything; there are %s", by, command.IDList(brokers))
	case !holds && !slices.Contains(brokers, old):
		return fmt.Errorf("broker %d is not known: it is not there and holds no replica; there are %s", old,
			command.IDList(brokers))
	}
	return nil
}

// replicasOf counts the replicas that each broker holds.
func replicasOf(topics kadm.TopicDetails) map[int32]int {
	load := map[int32]int{}
	topics.EachPartition(func(p kadm.PartitionDetail) {
		for _, id := range p.Replicas {
			load[id]++
		}
	})
	return load
}

// standIn is who takes the old broker's place in a partition: the one that was
// named or, where that holds the partition already, the live broker with the
// fewest replicas that does not.
func standIn(p kadm.PartitionDetail, old, by int32, brokers []int32, load map[int32]int) (int32, error) {
	if !slices.Contains(p.Replicas, by) {
		return by, nil
	}
	best := int32(-1)
	for _, id := range brokers {
		if id != old && !slices.Contains(p.Replicas, id) && (best < 0 || load[id] < load[best]) {
			best = id
		}
	}
	if best < 0 {
		return -1, fmt.Errorf("%s-%d: broker %d holds it already, and no other live broker could take the place of %d; "+
			"its replicas are %s",
			p.Topic, p.Partition, by, old, command.IDList(p.Replicas))
	}
	return best, nil
}

func (r *reassign) cancelAll(ctx context.Context, adm *kadm.Client, topics kadm.TopicDetails) error {
	moving, err := movingPartitions(ctx, adm, topics)
	if err != nil {
		return err
	}
	req := kadm.AlterPartitionAssignmentsReq{}
	for _, m := range moving {
		if _, meant := topics[m.Topic].Partitions[m.Partition]; meant {
			req.CancelAssign(m.Topic, m.Partition)
		}
	}
	return r.alter(ctx, adm, "cancelled", req)
}

func (r *reassign) alter(ctx context.Context, adm *kadm.Client, done string,
	req kadm.AlterPartitionAssignmentsReq) error {
	answers, err := adm.AlterPartitionAssignments(ctx, req)
	if err != nil {
		return err
	}
	outcomes := []partitionOutcome{}
	for _, a := range answers.Sorted() {
		outcomes = append(outcomes, outcomeFor(a.Topic, a.Partition, done, command.BrokerError(a.Err, a.ErrMessage)))
	}
	return r.print(outcomes)
}

func (r *reassign) elect(ctx context.Context, adm *kadm.Client, topics kadm.TopicDetails) error {
	asked := kadm.TopicsSet{}
	topics.EachPartition(func(p kadm.PartitionDetail) {
		if len(p.Replicas) > 0 && p.Leader != p.Replicas[0] {
			asked.Add(p.Topic, p.Partition)
		}
	})
	outcomes := []partitionOutcome{}
	if len(asked) > 0 {
		results, err := adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, asked)
		if err != nil {
			return err
		}
		for _, partitions := range results {
			for _, e := range partitions {
				if errors.Is(e.Err, kerr.ElectionNotNeeded) {
					e.Err = nil
				}
				outcomes = append(outcomes, outcomeFor(e.Topic, e.Partition, "elected", command.BrokerError(e.Err, e.ErrMessage)))
			}
		}
	}
	slices.SortFunc(outcomes, func(a, b partitionOutcome) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return r.print(outcomes)
}

// partitionOutcome is what became of one partition.
type partitionOutcome struct {
	Topic     string `json:"topic" yaml:"topic"`
	Partition int32  `json:"partition" yaml:"partition"`
	Status    string `json:"status" yaml:"status"`
	Error     string `json:"error,omitempty" yaml:"error,omitempty"`
}

func outcomeFor(topic string, partition int32, done string, err error) partitionOutcome {
	o := partitionOutcome{Topic: topic, Partition: partition, Status: done}
	if err != nil {
		o.Status, o.Error = "failed", err.Error()
	}
	return o
}

// print prints what was done as the result, what was not on standard error, and fails if
// anything was not.
func (r *reassign) print(outcomes []partitionOutcome) error {
	var failed error
	for _, o := range outcomes {
		if o.Error != "" {
			fmt.Fprintf(r.Streams.Err, "lockstep: %s-%d: %s\n", o.Topic, o.Partition, o.Error)
			failed = command.ErrNegative
		}
	}
	err := r.Format.Render(r.Streams.Out, outcomes, func(w io.Writer) {
		for _, o := range outcomes {
			if o.Error == "" {
				fmt.Fprintf(w, "%s %s-%d\n", o.Status, o.Topic, o.Partition)
			}
		}
		if len(outcomes) == 0 {
			fmt.Fprintln(w, "nothing to do")
		}
	})
	return errors.Join(err, failed)
}

// reassignPoll is how often --wait asks.
const reassignPoll = 200 * time.Millisecond

// await says, from time to time, how much is moving still, and returns when
// nothing is.
func (r *reassign) await(command context.Context, adm *kadm.Client, names []string) error {
	if r.wait <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(command, r.wait)
	defer cancel()
	for before := -1; ; {
		topics, err := r.topics(ctx, adm, names)
		if err != nil {
			return err
		}
		moving, err := movingPartitions(ctx, adm, topics)
		if err != nil {
			return err
		}
		if len(moving) == 0 {
			return nil
		}
		if len(moving) != before {
			fmt.Fprintf(r.Streams.Err, "lockstep: %d partitions are moving\n", len(moving))
			before = len(moving)
		}
		select {
		case <-time.After(reassignPoll):
		case <-ctx.Done():
			if command.Err() != nil {
				return context.Cause(command)
			}
			return fmt.Errorf("%d partitions are moving still, after %s", len(moving), r.wait)
		}
	}
}
