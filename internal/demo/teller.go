package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// teller is one process of the demo: a view of the log, and writers that carry
// out customers' wishes on it. It prints a line of JSON now and then, and obeys
// its standard input:
//
//	stop        let what is under way end; then lines with Stopped
//	digest N    read up to offset N; then lines with Digest, and the end
//
// When its input ends, so does it.
type teller struct {
	s        *command.Streams
	cluster  command.Cluster
	topic    string
	name     string
	writers  int
	accounts int
	locks    bool

	view   *client.View[*ledger]
	wishes atomic.Int64
	acked  []atomic.Int64 // each writer's entries that are in the log for certain
	out    struct {
		sync.Mutex // held while a report is made, so that none is older than the one before
		*json.Encoder
		stopped bool   // every report says so from then on: who asked may see just the latest
		digest  string // likewise
	}
}

// tellerReport is one line of a teller.
type tellerReport struct {
	Commits  int64          `json:"commits"`
	Refusals int64          `json:"refusals"`
	Reruns   int64          `json:"reruns"` // decisions made again
	Acked    map[string]int `json:"acked"`
	Total    int            `json:"total"`
	Supply   int            `json:"supply"`
	Basis    int64          `json:"basis"`
	Stopped  bool           `json:"stopped,omitempty"`
	Digest   string         `json:"digest,omitempty"`
}

const tellerReportEvery = 200 * time.Millisecond

func newDemoTeller(s *command.Streams) *cobra.Command {
	t := &teller{s: s}
	cmd := &cobra.Command{
		Use:    "teller",
		Short:  "One process of demo bank, which starts it",
		Hidden: true,
		Args:   command.Arguments(0, 0, ""),
		RunE:   func(cmd *cobra.Command, _ []string) error { return t.runTeller(cmd.Context()) },
	}
	command.Annotate(cmd, command.OpenEnded, command.OwnEnd, command.DrivenByParent)
	f := cmd.Flags()
	f.StringVar(&t.topic, "topic", "", "topic")
	f.StringVar(&t.name, "name", "", "begins the names of the writers")
	f.IntVar(&t.writers, "writers", 1, "writers")
	f.IntVar(&t.accounts, "accounts", 2, "accounts")
	f.BoolVar(&t.locks, "locks", true, "ask for locks")
	t.cluster.Flags(cmd, s)
	return cmd
}

func (t *teller) runTeller(ctx context.Context) error {
	c, closeAll, err := t.cluster.Extended(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	t.view, err = client.NewView(c, t.topic, 0, newLedger(), applyEntry)
	if err != nil {
		return err
	}
	defer t.view.Close()
	t.acked = make([]atomic.Int64, t.writers)
	t.out.Encoder = json.NewEncoder(t.s.Out)

	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var writers, reporter sync.WaitGroup
	for w := range t.writers {
		writers.Go(func() {
			if err := t.write(working, w); err != nil {
				stop(err)
			}
		})
	}
	reporting, quiet := context.WithCancel(ctx)
	reporter.Go(func() { t.reportOften(reporting) })
	err = t.obey(ctx, func() error {
		stop(errStopped)
		writers.Wait()
		if cause := context.Cause(working); !errors.Is(cause, errStopped) {
			return cause
		}
		return nil
	})
	stop(errStopped)
	quiet()
	writers.Wait()
	reporter.Wait()
	return err
}

var errStopped = errors.New("stopped")

func applyEntry(l **ledger, r *kgo.Record) { (*l).apply(r) }

// obey does what the standard input says, until it ends.
func (t *teller) obey(ctx context.Context, stop func() error) error {
	orders := bufio.NewScanner(command.Interruptible(ctx, t.s.In))
	for orders.Scan() {
		var basis int64
		switch line := orders.Text(); {
		case line == "stop":
			if err := stop(); err != nil {
				return err
			}
			t.out.Lock()
			t.out.stopped = true
			t.out.Unlock()
			t.report(ctx)
		default:
			if _, err := fmt.Sscanf(line, "digest %d", &basis); err != nil {
				return fmt.Errorf("order %q: %w", line, err)
			}
			return t.tellDigest(ctx, basis)
		}
	}
	return orders.Err()
}

// write carries out wishes until ctx ends. An entry that is under way then is
// waited for: what was written must be known.
func (t *teller) write(ctx context.Context, w int) error {
	name := fmt.Sprintf("%s.%d", t.name, w)
	for ctx.Err() == nil {
		wish := someWish(t.accounts)
		t.wishes.Add(1)
		r, err := t.view.Update(context.WithoutCancel(ctx), func(tx *client.Tx, l *ledger) error {
			e, locks, err := wish.decide(l)
			if err != nil {
				return err
			}
			if t.locks {
				tx.Lock(locks...)
			}
			tx.ID(entryID(name, int(t.acked[w].Load())+1))
			tx.Append(e.record())
			return nil
		})
		switch {
		case errors.Is(err, errDeclined):
		case err != nil:
			return err
		case r.Records > 0:
			t.acked[w].Add(1)
		}
	}
	return nil
}

func (t *teller) reportOften(ctx context.Context) {
	for command.Pause(ctx, tellerReportEvery) == nil {
		t.report(ctx)
	}
}

// report prints a line about now.
func (t *teller) report(ctx context.Context) {
	t.out.Lock()
	defer t.out.Unlock()
	r := tellerReport{Acked: map[string]int{}, Stopped: t.out.stopped, Digest: t.out.digest}
	for w := range t.acked {
		r.Acked[fmt.Sprintf("%s.%d", t.name, w)] = int(t.acked[w].Load())
	}
	c := t.view.Counts()
	r.Commits, r.Refusals, r.Reruns = c.Commits, c.Refusals, max(0, c.Decisions-t.wishes.Load())
	if t.view.Read(ctx, func(l *ledger, basis int64) error {
		r.Total, r.Supply, r.Basis = l.total(), l.supply, basis
		return nil
	}) != nil {
		return
	}
	t.out.Encode(r)
}

// tellDigest waits until the view has read up to an offset.
func (t *teller) tellDigest(ctx context.Context, basis int64) error {
	for {
		digest := ""
		err := t.view.Read(ctx, func(l *ledger, at int64) error {
			if at >= basis {
				digest = l.digest()
			}
			return nil
		})
		if err != nil {
			return err
		}
		if digest != "" {
			t.out.Lock()
			t.out.digest = digest
			t.out.Unlock()
			t.report(ctx)
			return nil
		}
		if err := command.Pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}
