package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// verdict is one line of the judgement.
type verdict struct {
	check  string
	detail string
	err    error
}

// judge holds everything against the logs, from their start to their ends, and
// prints what it came to.
func (p *proof) judge(ctx context.Context, ends []int64) error {
	j, err := p.replay(ctx, ends)
	if err != nil {
		return err
	}
	transfers, acks, claims := j.Counts()
	p.tell(transfers)
	wrong := func(kinds ...string) error {
		if n := j.Found(kinds...); n > 0 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	}
	verdicts := []verdict{
		{"as many transfers as were asked for", fmt.Sprint(transfers), tooFew(transfers, p.options.transfers)},
		{"every acknowledged one at its offset", fmt.Sprint(acks, " acknowledged"), wrong("lost acknowledged transfer", "two at one offset", "strange acknowledgement")},
		{"none twice", "", wrong("doubled transfer")},
		{"total constant, no overdraft, at every offset", fmt.Sprint(p.options.accounts, " accounts"), wrong("money", "overdraft", "strange record", "order")},
		{"no admission that a replay refuses", "", wrong("wrong admission")},
		{"databases and views equal a replay", fmt.Sprint(claims, " compared, row by row"), wrong("false balances", "late database")},
		p.audit(ctx),
		p.replicas(ctx, ends),
		p.tables(ctx),
	}
	return conclude(verdicts, j.Violations())
}

func tooFew(transfers, wanted int64) error {
	if transfers < wanted {
		return fmt.Errorf("%d are there", transfers)
	}
	return nil
}

// tell prints the run in figures.
func (p *proof) tell(transfers int64) {
	r := p.crew.report()
	seconds := p.took.Seconds()
	fmt.Printf("\n%-46s %d in %v, %.0f/s\n", "transfers", transfers, p.took.Round(time.Second/10), float64(transfers)/seconds)
	fmt.Printf("%-46s %d (%.2f %%)\n", "refusals", r.Refusals, 100*float64(r.Refusals)/float64(max(1, transfers)))
	fmt.Printf("%-46s %d\n", "decisions made again", r.Reruns)
	fmt.Printf("%-46s %d\n", "not covered", r.Declined)
	fmt.Printf("%-46s %d\n", "of unknown outcome, kills apart", r.Unknown)
	fmt.Printf("%-46s %d\n", "tellers killed", kills(p.crew.tellers))
	fmt.Printf("%-46s %d\n", "keepers killed", kills(p.crew.keepers))
	k := &p.killer.strikes
	fmt.Printf("%-46s %d: %d leaders, %d controllers, %d others, %d times all\n\n", "brokers killed", p.killer.brokers(),
		k[leader].Load(), k[controller].Load(), k[broker].Load(), k[allBrokers].Load())
}

// conclude prints the verdicts; it is an error if one of them is bad.
func conclude(verdicts []verdict, violations []string) error {
	var errs []error
	for _, v := range verdicts {
		word := "ok"
		if v.err != nil {
			word = "WRONG"
			errs = append(errs, fmt.Errorf("%s: %w", v.check, v.err))
		}
		fmt.Printf("%-46s %-5s %s\n", v.check, word, v.detail)
	}
	for _, wrong := range violations {
		errs = append(errs, errors.New(wrong))
	}
	return errors.Join(errs...)
}
