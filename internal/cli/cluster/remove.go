package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// removal takes a broker out of the cluster for good.
type removal struct {
	rebalance
	id int32
}

const (
	removalWait = time.Hour
	removalPoll = 500 * time.Millisecond
	// forgetPatience is how long a broker that has stopped may seem to be there still.
	forgetPatience = 20 * time.Second
)

// removed is a broker that the cluster has forgotten.
type removed struct {
	Broker int32  `json:"broker" yaml:"broker"`
	Status string `json:"status" yaml:"status"`
}

func newClusterRemove(s *command.Streams) *cobra.Command {
	r := &removal{rebalance: rebalance{reassign: reassign{Kafka: command.Kafka{Streams: s}}}}
	cmd := r.Flags(command.Annotate(&cobra.Command{
		Use:   "remove ID",
		Short: "Take a broker out of the cluster for good: move what it holds, and forget it once it is stopped",
		Long: "Take a broker out of the cluster for good. What it holds moves to the others, and it goes on\n" +
			"serving meanwhile. Then stop it, when it is asked for; the cluster forgets it, its vote on the\n" +
			"metadata included, and its id is free. Refused is what would leave no majority of those that vote.\n\n" +
			"Of a broker that is down already, replicas for which there are too few others are given up.\n" +
			"What was broken off is gone on with by the same command.",
		Args: command.Arguments(1, 1, "the ID of a broker"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 32)
			if err != nil || id < 0 {
				return command.Usagef(cmd, "want the ID of a broker, got %q", args[0])
			}
			r.id, r.exclude = int32(id), []int32{int32(id)}
			return r.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error { return r.run(ctx, cmd, cl) })
		},
	}, command.OpenEnded))
	cmd.Flags().Int64Var(&r.throttle, "throttle", 0, "`BYTES` a second that a broker sends to replicas that "+
		"catch up; 0: no bound")
	cmd.Flags().DurationVar(&r.wait, "wait", removalWait, "how long all of it may take, a `DURATION`")
	return cmd
}

func (r *removal) run(ctx context.Context, cmd *cobra.Command, cl *kgo.Client) error {
	whole, cancel := context.WithTimeout(cmd.Context(), r.wait)
	defer cancel()
	adm := r.Cluster.AdminOf(cl)
	live, err := r.lives(ctx, adm)
	if err != nil {
		return err
	}
	r.shrink = !live
	held, err := r.held(ctx, adm)
	if err == nil && len(held) > 0 {
		err = r.drain(ctx, whole, adm, held)
	}
	if err == nil {
		err = r.awaitStopped(whole, adm)
	}
	if err == nil {
		err = r.forget(whole, cl)
	}
	if err != nil {
		return err
	}
	done := removed{r.id, "removed"}
	return r.Format.Render(r.Streams.Out, done, func(w io.Writer) { fmt.Fprintf(w, "%s %d\n", done.Status, done.Broker) })
}

func (r *removal) lives(ctx context.Context, adm *kadm.Client) (bool, error) {
	brokers, err := adm.ListBrokers(ctx)
	return slices.Contains(brokers.NodeIDs(), r.id), err
}

// held are the topics of which the broker holds partitions, with those alone.
func (r *removal) held(ctx context.Context, adm *kadm.Client) (kadm.TopicDetails, error) {
	topics, err := r.topics(ctx, adm, nil)
	if err != nil {
		return nil, err
	}
	for name, d := range topics {
		for p, detail := range d.Partitions {
			if !slices.Contains(detail.Replicas, r.id) {
				delete(d.Partitions, p)
			}
		}
		if len(d.Partitions) == 0 {
			delete(topics, name)
		}
	}
	return topics, nil
}

// drain moves what the broker holds, or waits for what moves already.
func (r *removal) drain(ctx, whole context.Context, adm *kadm.Client, held kadm.TopicDetails) error {
	moving, err := movingPartitions(ctx, adm, held)
	if err != nil {
		return err
	}
	if len(moving) == 0 {
		if err := r.begin(ctx, adm, held); err != nil {
			return err
		}
	}
	err = r.await(whole, adm, held.Names())
	if r.throttle > 0 {
		err = errors.Join(err, setThrottle(context.WithoutCancel(ctx), adm, 0))
	}
	return err
}

// begin moves what the broker holds to the others.
func (r *removal) begin(ctx context.Context, adm *kadm.Client, held kadm.TopicDetails) error {
	plan, err := r.plan(ctx, adm, held)
	if err != nil {
		return err
	}
	for _, p := range plan {
		if slices.Contains(p.To, r.id) {
			return r.noPlace(p.Topic, p.Partition)
		}
	}
	for _, d := range held.Sorted() {
		for _, p := range d.Partitions.Sorted() {
			if !slices.ContainsFunc(plan, func(x planned) bool { return x.Topic == p.Topic && x.Partition == p.Partition }) {
				return r.noPlace(p.Topic, p.Partition)
			}
		}
	}
	if r.throttle > 0 {
		if err := setThrottle(ctx, adm, r.throttle); err != nil {
			return err
		}
	}
	answers, err := adm.AlterPartitionAssignments(ctx, requestOf(plan))
	for _, a := range answers.Sorted() {
		if e := command.BrokerError(a.Err, a.ErrMessage); e != nil {
			err = errors.Join(err, fmt.Errorf("%s-%d: %w", a.Topic, a.Partition, e))
		}
	}
	return err
}

func (r *removal) noPlace(topic string, partition int32) error {
	return fmt.Errorf("%s-%d: no other broker can take the replica of broker %d. Give the topic fewer replicas first "+
		"(lockstep cluster rebalance %s --num-replicas N), or stop the broker first if they are to be fewer", topic, partition, r.id, topic)
}

// awaitStopped asks for the broker to be stopped, if it lives, and waits for it.
func (r *removal) awaitStopped(ctx context.Context, adm *kadm.Client) error {
	for asked := false; ; asked = true {
		live, err := r.lives(ctx, adm)
		if err == nil && !live {
			return nil
		}
		if err == nil && !asked {
			fmt.Fprintf(r.Streams.Err, "lockstep: broker %d holds nothing any more; stop it now\n", r.id)
		}
		select {
		case <-time.After(removalPoll):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("broker %d is not stopped: %w", r.id, context.Cause(ctx)), err)
		}
	}
}

// forget has the cluster forget the broker. One that has just stopped may seem to be
// there, and those that live need some seconds to be sure of each other.
func (r *removal) forget(ctx context.Context, cl *kgo.Client) error {
	req := kmsg.NewPtrUnregisterBrokerRequest()
	req.BrokerID = r.id
	lost := false // a try, of which nobody knows what became
	for until := time.Now().Add(forgetPatience); ; {
		resp, err := req.RequestWith(ctx, cl)
		lost = lost || err != nil
		if err == nil {
			err = command.BrokerError(kerr.ErrorForCode(resp.ErrorCode), textOf(resp.ErrorMessage))
		}
		if resp != nil && resp.ErrorCode == kerr.BrokerIDNotRegistered.Code {
			if lost {
				return nil // it has been forgotten
			}
			return fmt.Errorf("broker %d is not known", r.id)
		}
		if err == nil || time.Now().After(until) {
			return err
		}
		select {
		case <-time.After(removalPoll):
		case <-ctx.Done():
			return err
		}
	}
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
