package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

// crew is all processes but the brokers.
type crew struct {
	dir     string
	place   place
	tellers []*post
	keepers []*post
	books   []string // the databases, by number
}

// newCrew makes posts and databases: a keeper for each database, and two for the
// last.
func newCrew(ctx context.Context, o options, at place) (*crew, error) {
	c := &crew{dir: o.dir, place: at}
	for i := range o.tellers {
		dir, err := c.postDir(roleTeller, i)
		if err != nil {
			return nil, err
		}
		c.tellers = append(c.tellers, &post{role: roleTeller, name: filepath.Base(dir), dir: dir, order: func(life int) any {
			return tellerOrder{
				place: at, Writer: writerNumber(i, life), Writers: o.writers, Seed: o.seed ^ uint64(writerNumber(i, life))<<32,
				Acks: ackPath(dir, life), Saved: dir,
			}
		}})
	}
	for i := range o.databases {
		path := filepath.Join(o.dir, fmt.Sprintf("database-%d", i+1))
		if err := makeBooks(ctx, path, at.Bank); err != nil {
			return nil, err
		}
		c.books = append(c.books, path)
	}
	for i := range o.databases + 1 {
		dir, err := c.postDir(roleKeeper, i)
		if err != nil {
			return nil, err
		}
		order := keeperOrder{place: at, Books: c.books[min(i, o.databases-1)]}
		c.keepers = append(c.keepers, &post{role: roleKeeper, name: filepath.Base(dir), dir: dir, order: func(int) any { return order }})
	}
	return c, nil
}

func (c *crew) postDir(role string, i int) (string, error) {
	dir := filepath.Join(c.dir, fmt.Sprintf("%s-%d", role, i+1))
	return dir, os.MkdirAll(dir, 0o755)
}

const livesMax = 1 << 16 // of a post

// writerNumber is one that no other teller of the run has.
func writerNumber(post, life int) uint32 { return uint32(post+1)*livesMax + uint32(life) }

func ackPath(dir string, life int) string { return filepath.Join(dir, fmt.Sprintf("acks-%05d", life)) }

func (c *crew) all() []*post { return append(append([]*post{}, c.tellers...), c.keepers...) }

func (c *crew) start() error {
	for _, p := range c.all() {
		if err := p.start(); err != nil {
			return err
		}
	}
	return nil
}

// ended is an error if any process has ended by itself.
func (c *crew) ended() error {
	var errs []error
	for _, p := range c.all() {
		errs = append(errs, p.ended())
	}
	return errors.Join(errs...)
}

func (c *crew) close() {
	for _, p := range c.all() {
		p.close()
	}
}

// report is what all tellers of all posts have said together.
func (c *crew) report() (sum tellerReport) {
	for _, p := range c.tellers {
		r, _, _ := p.report()
		sum.add(r)
	}
	return sum
}

func kills(posts []*post) (sum int) {
	for _, p := range posts {
		_, _, n := p.report()
		sum += n
	}
	return sum
}

// endAll asks processes to end, all at once, and waits until they have.
func endAll(ctx context.Context, posts []*post) error {
	errs := make(chan error)
	for _, p := range posts {
		go func() { errs <- p.end(ctx) }() // waited for below
	}
	var all []error
	for range posts {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// hear tells a judge all that the tellers were told, and all views that they
// saved last.
func (c *crew) hear(j *ledger.Judge) error {
	for _, p := range c.tellers {
		_, lives, _ := p.report()
		for life := 1; life <= lives; life++ {
			if err := readAcks(ackPath(p.dir, life), j.Ack); err != nil {
				return err
			}
		}
		for partition := range int32(c.place.Bank.Partitions) {
			s, err := readSaved(p.dir, partition)
			if err != nil {
				return err
			}
			j.Claim(ledger.Claim{Who: "the view of " + p.name, Partition: partition, Basis: s.basis, Balances: s.balances})
		}
	}
	return nil
}
