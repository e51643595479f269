package lock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// hotLock is a lock and the refusals over it that the brokers remember.
type hotLock struct {
	Topic     string    `json:"topic" yaml:"topic"`
	Partition int32     `json:"partition" yaml:"partition"`
	Lock      string    `json:"lock" yaml:"lock"`
	Refused   int       `json:"refused" yaml:"refused"`
	PerSecond float64   `json:"per_second" yaml:"per_second"` // since the first of them
	Last      int64     `json:"last" yaml:"last"`             // offset that the latest of them cites; -1: none
	By        string    `json:"by" yaml:"by"`
	Latest    time.Time `json:"latest" yaml:"latest"`
	first     time.Time
}

// hotCommand adds up the rings of refusals of all brokers.
type hotCommand struct {
	command.AllBrokers
	top int
}

func newLockHot(s *command.Streams) *cobra.Command {
	h := &hotCommand{AllBrokers: command.AllBrokers{Streams: s}}
	cmd := &cobra.Command{
		Use:   "hot [TOPIC]",
		Short: "Show which locks refuse the most",
		Long: "Show which locks refuse the most, of the latest refusals that the brokers remember: 1,000 of\n" +
			"each partition that they led. BY is who last won, if its append had a name. Exit code 1 if a\n" +
			"broker could not be asked.",
		Example: "  lockstep lock hot accounts",
		Args:    command.Arguments(0, 1, "at most one topic"),
		RunE:    h.printHottest,
	}
	cmd.Flags().IntVarP(&h.top, "num", "n", 20, "`COUNT` of locks to show")
	return h.Flags(cmd)
}

func (h *hotCommand) printHottest(cmd *cobra.Command, args []string) error {
	brokers, err := h.Brokers(cmd)
	if err != nil {
		return err
	}
	hot, err := h.locks(cmd.Context(), brokers, args)
	if err != nil {
		return err
	}
	err = h.Format.Render(h.Streams.Out, hot, func(w io.Writer) { hotTable(w, hot) })
	return errors.Join(err, command.Unasked(h.Streams.Err, brokers))
}

func hotTable(w io.Writer, hot []hotLock) {
	command.Row(w, "PLACE", "LOCK", "REFUSED", "A SECOND", "LAST", "BY", "LATEST")
	for _, l := range hot {
		last := "?"
		if l.Last >= 0 {
			last = strconv.FormatInt(l.Last, 10)
		}
		command.Row(w, l.Topic+"/"+strconv.Itoa(int(l.Partition)), l.Lock, l.Refused, fmt.Sprintf("%.1f", l.PerSecond), last,
			command.OrDash(l.By), l.Latest.UTC().Format(time.RFC3339))
	}
}

// locks are the hottest ones, the hottest first.
func (h *hotCommand) locks(ctx context.Context, brokers []command.AskedBroker, topic []string) ([]hotLock, error) {
	query := url.Values{}
	if len(topic) > 0 {
		query.Set("topic", topic[0])
	}
	var all []refusal
	err := h.HTTP.Ask(ctx, brokers, func(_ command.AskedBroker, a command.HTTPAnswer) error {
		var ring []refusal
		err := a.Into(&ring)
		all = append(all, ring...)
		return err
	}, query, "v1", "conflicts")
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b refusal) int { return a.Time.Compare(b.Time) })
	hot := addUp(all)
	return hot[:min(len(hot), max(h.top, 0))], nil
}

// addUp counts the conflicts among refusals by lock.
func addUp(ring []refusal) []hotLock {
	type key struct{ place, lock string }
	byLock := map[key]*hotLock{}
	for _, r := range ring {
		e, ok := client.Parse(r.Message)
		if !ok || e.Lock == "" {
			continue // it was malformed, or a repeat: no lock is to blame
		}
		l := byLock[key{r.place(), e.Lock}]
		if l == nil {
			l = &hotLock{Topic: r.Topic, Partition: r.Partition, Lock: e.Lock, first: r.Time}
			byLock[key{r.place(), e.Lock}] = l
		}
		l.Refused++
		l.Last, l.By, l.Latest = e.Last, e.By, r.Time
	}
	hot := []hotLock{}
	for _, l := range byLock {
		if over := l.Latest.Sub(l.first).Seconds(); over > 0 {
			l.PerSecond = float64(l.Refused-1) / over
		}
		hot = append(hot, *l)
	}
	slices.SortFunc(hot, func(a, b hotLock) int {
		return cmp.Or(b.Refused-a.Refused, b.Latest.Compare(a.Latest), cmp.Compare(a.Lock, b.Lock),
			cmp.Compare(a.Partition, b.Partition))
	})
	return hot
}
