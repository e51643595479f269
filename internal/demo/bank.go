package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// bankCommand is the demo: processes that share nothing but a log move money
// between accounts, and none is made or lost.
type bankCommand struct {
	s         *command.Streams
	cluster   command.Cluster
	format    command.Format
	topic     string
	processes int
	writers   int
	accounts  int
	duration  time.Duration
	faults    bool
	locks     bool
}

func newDemoBank(s *command.Streams) *cobra.Command {
	b := &bankCommand{s: s}
	cmd := &cobra.Command{
		Use:   "bank",
		Short: "Let processes move money between accounts, and prove that none is made or lost",
		Long: "Let processes move money between accounts of one partition, and prove that none is made\n" +
			"or lost. Each process folds the log into its own ledger, decides on it and appends on\n" +
			"condition; they share nothing but the log. A deposit needs no lock; a transfer writes both\n" +
			"accounts; a withdrawal writes the account's withdrawals and reads the account; closing an\n" +
			"account writes it.\n\n" +
			"At the end the log is read again and judged: exit 0 if the total was constant at every\n" +
			"offset, no account was overdrawn or touched while closed, every acknowledged entry is there\n" +
			"once, and every process holds the same ledger. --locks=false shows what happens without.",
		Example: "  lockstep demo bank --duration 10s --faults\n" +
			"  lockstep demo bank --duration 5s --locks=false",
		Args: command.Arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return b.runDemo(cmd) },
	}
	command.Annotate(cmd, command.OpenEnded, command.OwnEnd)
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&b.topic, "topic", "", "`TOPIC` to use; it goes on where it is. Without it, a new one each time")
	f.DurationVar(&b.duration, "duration", 10*time.Second, "how long to run; 0: until interrupted")
	f.IntVar(&b.processes, "processes", 4, "`COUNT` of processes")
	f.IntVar(&b.writers, "writers", 4, "`COUNT` of writers in each")
	f.IntVar(&b.accounts, "accounts", 100, "`COUNT` of accounts; few make hot locks")
	f.BoolVar(&b.faults, "faults", false, "kill processes on the way")
	f.BoolVar(&b.locks, "locks", true, "ask for locks")
	b.cluster.Flags(cmd, s)
	b.format.Flag(cmd)
	return cmd
}

func (b *bankCommand) runDemo(cmd *cobra.Command) error {
	if b.processes < 1 || b.writers < 1 || b.accounts < 2 {
		return command.Usagef(cmd, "wants at least 1 process, 1 writer and 2 accounts")
	}
	ctx := cmd.Context()
	c, closeAll, err := b.cluster.Extended(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	run := rand.Text()[:6]
	if b.topic == "" {
		b.topic = "demo-bank-" + run
	}
	if err := b.open(ctx, c, run); err != nil {
		return err
	}
	f := newFleet(b.processes, run+"-", b.s.Err, b.tellerArgs)
	defer f.close()
	began := time.Now()
	if err := b.work(ctx, f); err != nil {
		return err
	}
	if ctx.Err() != nil { // whoever interrupts still wants to know
		fmt.Fprintln(b.s.Err, "lockstep: stopping; the verdict is next, and another Ctrl-C ends without it")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	v, err := b.judge(ctx, f, c)
	if err != nil {
		return err
	}
	v.Seconds = time.Since(began).Seconds()
	return b.tell(v)
}

func (b *bankCommand) tellerArgs(name string) []string {
	return append([]string{"demo", "teller", "--brokers", b.cluster.Brokers, "--timeout", b.cluster.Timeout.String(), "--topic",
		b.topic, "--name", name,
		"--writers", fmt.Sprint(b.writers), "--accounts", fmt.Sprint(b.accounts), fmt.Sprintf("--locks=%v", b.locks)}, b.cluster.SecurityArgs()...)
}

// open makes the topic and the accounts where they are missing.
func (b *bankCommand) open(ctx context.Context, c *client.Client, run string) error {
	adm, err := b.cluster.Admin(ctx)
	if err != nil {
		return err
	}
	defer adm.Close()
	keep := "-1" // the balances are folded from all of it
	if _, err := adm.CreateTopic(ctx, 1, -1, map[string]*string{"retention.ms": &keep}, b.topic); err != nil &&
		!errors.Is(err, kerr.TopicAlreadyExists) {
		return command.TopicError(b.topic, err)
	}
	ends, err := adm.ListEndOffsets(ctx, b.topic)
	if err != nil {
		return err
	}
	if len(ends[b.topic]) != 1 {
		return fmt.Errorf("topic %q has %d partitions; the demo wants 1", b.topic, len(ends[b.topic]))
	}
	fmt.Fprintf(b.s.Err, "topic %s, %d processes of %d writers, %d accounts of %d\n", b.topic, b.processes, b.writers,
		b.accounts, openingBalance)
	bank, err := client.NewView(c, b.topic, 0, newLedger(), applyEntry)
	if err != nil {
		return err
	}
	defer bank.Close()
	n := 0
	for id := range b.accounts {
		r, err := bank.Update(ctx, func(tx *client.Tx, l *ledger) error {
			if a := l.accounts[id]; a != nil {
				return nil
			}
			tx.ID(entryID(run, n+1))
			tx.Lock(client.Write(accountLock(id)))
			tx.Append(entry{Op: opOpen, Account: id, Settled: openingBalance}.record())
			return nil
		})
		if err != nil {
			return err
		}
		n += r.Records
	}
	return nil
}

const (
	faultEvery   = time.Second
	refreshEvery = 250 * time.Millisecond
	lineEvery    = time.Second
)

// work lets the fleet run for its time.
func (b *bankCommand) work(ctx context.Context, f *fleet) error {
	for i := range b.processes {
		if err := f.start(i); err != nil {
			return err
		}
	}
	if b.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.duration)
		defer cancel()
	}
	screen := newBankScreen(b.s.Err, b.s.ErrIsTTY)
	nextFault := time.Now().Add(faultEvery)
	for command.Pause(ctx, screen.every()) == nil {
		if b.faults && time.Now().After(nextFault) {
			nextFault = time.Now().Add(faultEvery)
			if err := f.kill(mathrand.IntN(b.processes)); err != nil {
				return err
			}
		}
		if err := f.ended(); err != nil {
			return err
		}
		screen.show(f.table(), time.Now())
	}
	return nil
}

// judge stops the fleet and reads the log again, from its start.
func (b *bankCommand) judge(ctx context.Context, f *fleet, c *client.Client) (bankVerdict, error) {
	if err := f.order(ctx, "stop", func(r tellerReport) bool { return r.Stopped || r.Digest != "" }); err != nil {
		return bankVerdict{}, err
	}
	bank, err := client.NewView(c, b.topic, 0, newLedger(), applyEntry)
	if err != nil {
		return bankVerdict{}, err
	}
	defer bank.Close()
	var v bankVerdict
	err = bank.Read(ctx, func(l *ledger, basis int64) error {
		v = bankVerdict{Topic: b.topic, Basis: basis, Entries: l.entries, Accounts: len(l.accounts), Total: l.total(),
			Supply: l.supply,
			Wrong:  l.wrongAll, Wrongs: slices.Clone(l.wrong), digest: l.digest()}
		v.compareAcked(f.acked(), l.last)
		return nil
	})
	if err != nil {
		return v, err
	}
	if err := f.order(ctx, fmt.Sprintf("digest %d", v.Basis),
		func(r tellerReport) bool { return r.Digest != "" }); err != nil {
		return v, err
	}
	v.compareFleet(f.table())
	return v, nil
}

func (b *bankCommand) tell(v bankVerdict) error {
	if err := b.format.Render(b.s.Out, &v, func(w io.Writer) { v.text(w) }); err != nil {
		return err
	}
	if !v.Passed {
		return command.ErrNegative
	}
	return nil
}
