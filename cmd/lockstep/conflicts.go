package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/protocol"
)

func newConflicts(s *streams) *cobra.Command {
	return group("conflicts", "Follow refusals", newConflictsTail(s))
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

// tailCommand follows the rings of refusals.
type tailCommand struct {
	s         *streams
	http      httpAPI
	format    format
	topic     string
	partition int32
	id        string
	lines     int
	follow    bool
	every     time.Duration
}

func newConflictsTail(s *streams) *cobra.Command {
	t := &tailCommand{s: s}
	cmd := &cobra.Command{
		Use:     "tail",
		Short:   "Print one line for each refusal, live",
		Example: "  lockstep conflicts tail --topic accounts",
		Args:    arguments(0, 0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return t.run(cmd.Context()) },
	}
	annotate(cmd, openEnded)
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&t.topic, "topic", "", "only refusals in this `TOPIC`")
	f.Int32VarP(&t.partition, "partition", "p", -1, "only refusals in partition `N`")
	f.StringVar(&t.id, "id", "", "only refusals of appends with the lock-id `NAME`")
	f.IntVarP(&t.lines, "lines", "n", 10, "`COUNT` of past refusals to print first")
	f.BoolVar(&t.follow, "follow", true, "wait for more")
	f.DurationVar(&t.every, "every", 500*time.Millisecond, "how often to ask")
	t.http.flags(cmd, s)
	t.format.flag(cmd)
	return cmd
}

func (t *tailCommand) run(ctx context.Context) error {
	seen := seenRefusals{}
	past := true
	for {
		fresh, err := t.poll(ctx, seen)
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil // a tail ends when it is interrupted
		}
		if err != nil {
			return err
		}
		if past && len(fresh) > t.lines {
			fresh = fresh[len(fresh)-max(t.lines, 0):]
		}
		past = false
		if err := t.print(fresh); err != nil {
			return err
		}
		if !t.follow || pause(ctx, t.every) != nil {
			return nil
		}
	}
}

// poll returns the refusals that were not there at the last poll.
func (t *tailCommand) poll(ctx context.Context, seen seenRefusals) ([]json.RawMessage, error) {
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
	var ring []json.RawMessage
	if err := t.http.getInto(ctx, &ring, query, "v1", "conflicts"); err != nil {
		return nil, err
	}
	return seen.fresh(ring)
}

func (t *tailCommand) print(ring []json.RawMessage) error {
	for _, raw := range ring {
		if err := t.printOne(raw); err != nil {
			return err
		}
	}
	return nil
}

func (t *tailCommand) printOne(raw json.RawMessage) error {
	if t.format != formatText {
		var all map[string]any
		if err := json.Unmarshal(raw, &all); err != nil {
			return err
		}
		return t.format.encode(t.s.out, all)
	}
	var r refusal
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.s.out, "%s %s %s\n", r.Time.UTC().Format("2006-01-02T15:04:05.000Z"), r.place(), protocol.Printable(r.Message))
	return err
}
