package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

// proof is one run.
type proof struct {
	options options
	cluster *cluster
	crew    *crew
	killer  *killer
	took    time.Duration // from the first transfer to the last
}

// run makes a proof in a directory, and removes the directory if all was well.
func run(ctx context.Context, args []string) (err error) {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	if o.dir, err = directory(o.dir); err != nil {
		return err
	}
	fmt.Printf("%d transfers between %d accounts in %d partitions; %d tellers of %d writers, %d databases; seed %d; data in %s\n",
		o.transfers, o.accounts, o.partitions, o.tellers, o.writers, o.databases, o.seed, o.dir)
	p := &proof{options: o}
	if err := p.run(ctx); err != nil {
		return fmt.Errorf("seed %d: %w\neverything is kept in %s", o.seed, err, o.dir)
	}
	if o.keep {
		return nil
	}
	return os.RemoveAll(o.dir)
}

// directory makes the one that was named, or a temporary one. It will be removed,
// so it must not hold anything yet.
func directory(name string) (string, error) {
	if name == "" {
		return os.MkdirTemp("", "lockstep-transfers-")
	}
	if err := os.MkdirAll(name, 0o755); err != nil {
		return "", err
	}
	switch files, err := os.ReadDir(name); {
	case err != nil:
		return "", err
	case len(files) > 0:
		return "", fmt.Errorf("%s is not empty; it holds %s", name, files[0].Name())
	}
	return name, nil
}

func (p *proof) run(ctx context.Context) error {
	defer p.close()
	if err := p.begin(ctx); err != nil {
		return err
	}
	ends, err := p.work(ctx)
	if err != nil {
		return err
	}
	return p.judge(ctx, ends)
}

// begin starts brokers and crew. It is closed also after an error.
func (p *proof) begin(ctx context.Context) (err error) {
	if p.cluster, err = startCluster(ctx, p.options); err != nil {
		return err
	}
	at := place{p.cluster.Kafka(), ledger.Bank{Accounts: p.options.accounts, Partitions: p.options.partitions}}
	if p.crew, err = newCrew(ctx, p.options, at); err != nil {
		return err
	}
	p.killer = &killer{cluster: p.cluster, crew: p.crew}
	return p.crew.start()
}

// close ends whoever still runs.
func (p *proof) close() {
	if p.crew != nil {
		p.crew.close()
	}
	if p.cluster != nil {
		p.cluster.close()
	}
}

// work has transfers made while the killer is at it, and then everybody come to
// an end. It returns where the partitions end.
func (p *proof) work(ctx context.Context) (ends []int64, err error) {
	watch := &progress{began: time.Now(), run: p}
	for _, path := range p.crew.books {
		db, err := openBooks(path)
		if err != nil {
			return nil, err
		}
		defer db.Close()
		watch.books = append(watch.books, db)
	}
	if err := p.grow(ctx, watch); err != nil {
		return nil, err
	}
	p.took = time.Since(watch.began)
	if err := p.cluster.awaitWhole(ctx); err != nil {
		return nil, err
	}
	if err := within(ctx, endWithin, func(ctx context.Context) error { return endAll(ctx, p.crew.tellers) }); err != nil {
		return nil, err
	}
	if ends, err = p.cluster.ends(ctx); err != nil {
		return nil, err
	}
	fmt.Printf("%5.0fs  the log holds what was asked for; waiting for the databases\n", time.Since(watch.began).Seconds())
	if err := watch.drain(ctx, ends); err != nil {
		return nil, err
	}
	return ends, within(ctx, endWithin, func(ctx context.Context) error { return endAll(ctx, p.crew.keepers) })
}

// endWithin is how soon processes must end when they are asked to.
const endWithin = time.Minute

func within(ctx context.Context, d time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return do(ctx)
}

// grow waits until the log holds enough; the killer is at work meanwhile.
func (p *proof) grow(ctx context.Context, watch *progress) error {
	watching, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	killing, calm := context.WithCancel(watching)
	done := make(chan struct{})
	go func() { // waited for below
		defer close(done)
		if !p.options.calm {
			p.killer.run(killing, p.options, fail)
		}
	}()
	err := watch.grow(watching, p.options.transfers)
	calm()
	<-done
	return errors.Join(err, p.cluster.ended())
}
