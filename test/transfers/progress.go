package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// progress watches the log grow, and the databases follow it.
type progress struct {
	began time.Time
	run   *proof
	books []*sql.DB

	last   int64 // transfers at the line before
	lastAt time.Time
}

const (
	tellEvery = 10 * time.Second
	askEvery  = 200 * time.Millisecond
	// stallMax is how long nothing may move. The longest that a kill costs is
	// the time until all replicas are in sync again.
	stallMax = wholeWithin
)

// grow waits until the log holds so many transfers.
func (p *progress) grow(ctx context.Context, transfers int64) error {
	p.lastAt = time.Now()
	return p.follow(ctx, "transfers", func() (int64, bool) {
		n := p.run.crew.report().inLog()
		return n, n >= transfers
	})
}

// drain waits until every database has applied all partitions up to their ends.
func (p *progress) drain(ctx context.Context, ends []int64) error {
	return p.follow(ctx, "offsets of databases", func() (int64, bool) {
		applied, behind := p.databases(ctx, ends)
		return applied, behind == 0
	})
}

// follow asks again and again until it is told that all is done. What does not
// rise for too long is an error, as is a process that ends.
func (p *progress) follow(ctx context.Context, what string, ask func() (n int64, done bool)) error {
	most, risen := int64(-1), time.Now()
	for told := time.Now(); ; {
		n, done := ask()
		if done {
			return nil
		}
		if n > most {
			most, risen = n, time.Now()
		}
		if err := p.run.crew.ended(); err != nil {
			return err
		}
		if time.Since(risen) > stallMax {
			return fmt.Errorf("%s stand at %d for %v", what, most, stallMax)
		}
		if time.Since(told) >= tellEvery {
			told = time.Now()
			p.tell(ctx)
		}
		if !pause(ctx, askEvery) {
			return context.Cause(ctx)
		}
	}
}

// tell prints a line.
func (p *progress) tell(ctx context.Context) {
	r, now := p.run.crew.report(), time.Now()
	rate := float64(r.inLog()-p.last) / now.Sub(p.lastAt).Seconds()
	p.last, p.lastAt = r.inLog(), now
	behind := "?"
	if ends, err := p.run.cluster.ends(ctx); err == nil {
		_, n := p.databases(ctx, ends)
		behind = fmt.Sprint(n)
	}
	fmt.Printf("%5.0fs  %9d transfers  %6.0f/s  refusals %d  re-runs %d  killed: tellers %d  keepers %d  brokers %d  databases behind %s\n",
		now.Sub(p.began).Seconds(), r.inLog(), rate, r.Refusals, r.Reruns,
		kills(p.run.crew.tellers), kills(p.run.crew.keepers), p.run.killer.brokers(), behind)
}

// databases are how many offsets all of them have applied together, and lack.
func (p *progress) databases(ctx context.Context, ends []int64) (applied, behind int64) {
	for _, db := range p.books {
		at, err := bases(ctx, db, p.run.crew.place.Bank)
		if err != nil { // it has no table yet, or is busy
			at = make([]int64, len(ends))
			for i := range at {
				at[i] = -1
			}
		}
		for i, end := range ends {
			applied, behind = applied+at[i]+1, behind+max(0, end-1-at[i])
		}
	}
	return applied, behind
}
