package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// NewConflicts is the command conflicts.
func NewConflicts(s *command.Streams) *cobra.Command {
	return command.Group("conflicts", "Follow refusals", newConflictsTail(s))
}

// refusal is what a line of text needs of one entry of the broker's rings. Each
// partition has its own ring of the latest ones, oldest first.
type refusal struct {
	Time      time.Time `json:"time"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	ID        string    `json:"id,omitempty"` // lock-id of the refused append
	Message   string    `json:"message"`      // as the producer got it
}

func (r refusal) place() string { return r.Topic + "/" + strconv.Itoa(int(r.Partition)) }

// tailCommand follows the rings of refusals of all brokers.
type tailCommand struct {
	command.AllBrokers
	topic     string
	partition int32
	id        string
	lines     int
	follow    bool
	every     time.Duration
}

func newConflictsTail(s *command.Streams) *cobra.Command {
	t := &tailCommand{AllBrokers: command.AllBrokers{Streams: s}}
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print one line for each refusal, live",
		Long: "Print one line for each refusal of any broker, live. A broker that cannot be asked is told of,\n" +
			"once, and makes the exit code 1.",
		Example: "  lockstep conflicts tail --topic accounts",
		Args:    command.Arguments(0, 0, ""),
		RunE:    t.tailConflicts,
	}
	command.Annotate(cmd, command.OpenEnded)
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&t.topic, "topic", "", "only refusals in this `TOPIC`")
	f.Int32VarP(&t.partition, "partition", "p", -1, "only refusals in partition `N`")
	f.StringVar(&t.id, "id", "", "only refusals of appends with the lock-id `NAME`")
	f.IntVarP(&t.lines, "lines", "n", 10, "`COUNT` of past refusals to print first")
	f.BoolVar(&t.follow, "follow", true, "wait for more")
	f.DurationVar(&t.every, "every", 500*time.Millisecond, "how often to ask")
	return t.Flags(cmd)
}

func (t *tailCommand) tailConflicts(cmd *cobra.Command, _ []string) error {
	ctx := cmd.Context()
	addrs, err := t.HTTP.Addrs(cmd)
	if err != nil {
		return err
	}
	tail := tailRun{tailCommand: t, addrs: addrs, seen: map[int32]seenRefusals{}, missing: map[int32]bool{}}
	for past := true; ; past = false {
		fresh, err := tail.poll(ctx)
		if errors.Is(ctx.Err(), context.Canceled) {
			return tail.outcome() // a tail ends when it is interrupted
		}
		if err != nil {
			return err
		}
		if past && len(fresh) > t.lines {
			fresh = fresh[len(fresh)-max(t.lines, 0):]
		}
		if err := t.print(fresh); err != nil {
			return err
		}
		if !t.follow || command.Pause(ctx, t.every) != nil {
			return tail.outcome()
		}
	}
}

// tailRun is one run of the command.
type tailRun struct {
	*tailCommand
	addrs   []string
	before  []string               // of all brokers, at the last poll
	seen    map[int32]seenRefusals // by broker
	missing map[int32]bool         // brokers that were reported to be
	was     bool                   // any of them, at any time
}

// poll returns the refusals that were not there at the last poll, by time.
// Brokers come and go, so it looks who is there each time.
func (t *tailRun) poll(ctx context.Context) ([]timedRefusal, error) {
	brokers, err := t.present(ctx)
	if err != nil {
		return nil, err
	}
	var fresh []timedRefusal
	err = t.HTTP.Ask(ctx, brokers, func(b command.AskedBroker, a command.HTTPAnswer) error {
		var ring []json.RawMessage
		if err := a.Into(&ring); err != nil {
			return err
		}
		if t.seen[b.ID] == nil {
			t.seen[b.ID] = seenRefusals{}
		}
		news, err := t.seen[b.ID].fresh(ring)
		fresh = append(fresh, news...)
		return err
	}, t.query(), "v1", "conflicts")
	if err != nil {
		return nil, err
	}
	t.note(brokers)
	slices.SortStableFunc(fresh, func(a, b timedRefusal) int { return a.at.Compare(b.at) })
	return fresh, nil
}

// present are those that the addresses lead to or, where all of those are gone,
// the ones that were there before.
func (t *tailRun) present(ctx context.Context) ([]command.AskedBroker, error) {
	brokers, err := t.HTTP.EveryBroker(ctx, t.addrs)
	if err != nil && len(t.before) > 0 {
		brokers, err = t.HTTP.EveryBroker(ctx, t.before)
	}
	if err != nil {
		return nil, err
	}
	t.before = nil
	for _, b := range brokers {
		if b.Addr != "" {
			t.before = append(t.before, b.Addr)
		}
	}
	return brokers, nil
}

func (t *tailRun) query() url.Values {
	query := url.Values{}
	if t.topic != "" {
		query.Set("topic", t.topic)
	}
	if t.partition >= 0 {
		query.Set("partition", strconv.Itoa(int(t.partition)))
	}
	if t.id != "" {
		query.Set("id", t.id)
	}
	return query
}

// note reports each broker that cannot be asked, once while that lasts.
func (t *tailRun) note(brokers []command.AskedBroker) {
	for _, b := range brokers {
		if b.Why != nil && !t.missing[b.ID] {
			t.was = true
			_ = command.Unasked(t.Streams.Err, []command.AskedBroker{b})
		}
		t.missing[b.ID] = b.Why != nil
	}
}

func (t *tailRun) outcome() error {
	if t.was {
		return command.ErrNegative
	}
	return nil
}

func (t *tailCommand) print(ring []timedRefusal) error {
	for _, r := range ring {
		if err := t.printOne(r.raw); err != nil {
			return err
		}
	}
	return nil
}

func (t *tailCommand) printOne(raw json.RawMessage) error {
	if t.Format != command.FormatText {
		var all map[string]any
		if err := json.Unmarshal(raw, &all); err != nil {
			return err
		}
		return t.Format.Encode(t.Streams.Out, all)
	}
	var r refusal
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.Streams.Out, "%s %s %s\n", r.Time.UTC().Format("2006-01-02T15:04:05.000Z"), r.place(),
		protocol.Printable(r.Message))
	return err
}
