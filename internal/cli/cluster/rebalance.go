package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// rebalance spreads partitions over the brokers that there are.
type rebalance struct {
	reassign
	exclude  []int32
	wanted   int
	dryRun   bool
	throttle int64
	shrink   bool // where there are too few brokers, a partition gets fewer replicas
}

func newClusterRebalance(s *command.Streams) *cobra.Command {
	r := &rebalance{reassign: reassign{Kafka: command.Kafka{Streams: s}}}
	cmd := r.Flags(command.Annotate(&cobra.Command{
		Use:   "rebalance [TOPIC...]",
		Short: "Spread partitions and their leaders over all brokers, with as few moves as can be",
		Long: "Spread the partitions of the named topics, or of all, over the brokers that live, with as few\n" +
			"moves as can be, and go on serving them meanwhile. Racks are kept apart.\n\n" +
			"  lockstep cluster rebalance --dry-run               the plan, and nothing is done\n" +
			"  lockstep cluster rebalance --wait 1h               carry it out, and say how far it is\n" +
			"  lockstep cluster rebalance ledger --num-replicas 3 each partition gets three replicas\n" +
			"  lockstep cluster rebalance --exclude 4             broker 4 is to hold nothing\n" +
			"  lockstep cluster rebalance --cancel                take back what is under way\n\n" +
			"--throttle bounds what each broker sends to replicas that catch up. It stays until it is set\n" +
			"anew, or to 0 for no bound; with --wait it is taken back at the end.",
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := r.check(cmd); err != nil {
				return err
			}
			return r.With(cmd, func(ctx context.Context, adm *kadm.Client) error { return r.run(ctx, cmd, adm, names) })
		},
	}, command.OpenEnded))
	cmd.Flags().IntVar(&r.wanted, "num-replicas", 0, "replicas that each partition is to have, `N`; 0: as many as it has")
	cmd.Flags().Int32SliceVar(&r.exclude, "exclude", nil, "brokers that are to hold nothing, `ID,...`")
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "show the plan, and do nothing")
	cmd.Flags().Int64Var(&r.throttle, "throttle", 0, "`BYTES` a second that a broker sends to replicas that "+
		"catch up; 0: no bound")
	cmd.Flags().BoolVar(&r.cancel, "cancel", false, "take back what is under way")
	cmd.Flags().DurationVar(&r.wait, "wait", 0, "wait until nothing of it is moving, for this `DURATION` at most")
	return cmd
}

func (r *rebalance) check(cmd *cobra.Command) error {
	if r.cancel && (r.dryRun || r.wanted > 0 || len(r.exclude) > 0) {
		return command.Usagef(cmd, "--cancel goes with none of --dry-run, --num-replicas and --exclude")
	}
	return nil
}

func (r *rebalance) run(ctx context.Context, cmd *cobra.Command, adm *kadm.Client, names []string) error {
	topics, err := r.topics(ctx, adm, names)
	if err != nil {
		return err
	}
	if r.cancel {
		return r.cancelAll(ctx, adm, topics)
	}
	plan, err := r.plan(ctx, adm, topics)
	if err != nil {
		return err
	}
	if r.dryRun {
		return r.Format.Render(r.Streams.Out, plan, func(w io.Writer) { printPlan(w, plan) })
	}
	if cmd.Flags().Changed("throttle") {
		if err := setThrottle(ctx, adm, r.throttle); err != nil {
			return err
		}
	}
	err = r.alter(ctx, adm, "moving", requestOf(plan))
	if err == nil || errors.Is(err, command.ErrNegative) {
		err = errors.Join(err, r.await(cmd.Context(), adm, names))
	}
	if r.wait > 0 && r.throttle > 0 {
		err = errors.Join(err, setThrottle(context.WithoutCancel(ctx), adm, 0))
	}
	return err
}

// plan asks who lives and what is moving, and plans the rest.
func (r *rebalance) plan(ctx context.Context, adm *kadm.Client, topics kadm.TopicDetails) ([]planned, error) {
	all, err := adm.ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, err
	}
	moving, err := movingPartitions(ctx, adm, all)
	if err != nil {
		return nil, err
	}
	if len(moving) > 0 {
		return nil, fmt.Errorf("%d partitions are moving already; wait for them (lockstep cluster reassign), or take them back "+
			"with --cancel", len(moving))
	}
	brokers, err := adm.ListBrokers(ctx)
	if err != nil {
		return nil, err
	}
	b := balancing{replicas: r.wanted, shrink: r.shrink, racks: map[int32]string{}}
	for _, d := range brokers {
		if d.Rack != nil {
			b.racks[d.NodeID] = *d.Rack
		}
		if !slices.Contains(r.exclude, d.NodeID) {
			b.brokers = append(b.brokers, d.NodeID)
		}
	}
	slices.Sort(b.brokers)
	switch {
	case len(b.brokers) == 0:
		return nil, errors.New("no broker is left to hold anything")
	case r.wanted > len(b.brokers):
		return nil, fmt.Errorf("%d replicas are wanted, and there are %d brokers for them: %s", r.wanted, len(b.brokers),
			command.IDList(b.brokers))
	}
	return append([]planned{}, b.balance(topics, all)...), nil
}

func requestOf(plan []planned) kadm.AlterPartitionAssignmentsReq {
	req := kadm.AlterPartitionAssignmentsReq{}
	for _, p := range plan {
		req.Assign(p.Topic, p.Partition, p.To)
	}
	return req
}

func printPlan(w io.Writer, plan []planned) {
	if len(plan) == 0 {
		fmt.Fprintln(w, "nothing to do")
		return
	}
	command.Row(w, "TOPIC", "PARTITION", "FROM", "TO")
	for _, p := range plan {
		command.Row(w, p.Topic, p.Partition, command.IDList(p.From), command.IDList(p.To))
	}
}

const throttleSetting = "leader.replication.throttled.rate"

// setThrottle bounds what all brokers send to replicas that catch up; 0: nothing does.
func setThrottle(ctx context.Context, adm *kadm.Client, bytes int64) error {
	change := kadm.AlterConfig{Op: kadm.DeleteConfig, Name: throttleSetting}
	if bytes > 0 {
		value := strconv.FormatInt(bytes, 10)
		change = kadm.AlterConfig{Op: kadm.SetConfig, Name: throttleSetting, Value: &value}
	}
	answers, err := adm.AlterBrokerConfigs(ctx, []kadm.AlterConfig{change})
	for _, a := range answers {
		err = errors.Join(err, command.BrokerError(a.Err, a.ErrMessage))
	}
	if err != nil {
		return fmt.Errorf("set the throttle: %w", err)
	}
	return nil
}
