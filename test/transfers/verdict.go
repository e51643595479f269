package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/test/chaos/check"
	"github.com/lockstep-log/lockstep/test/rawlog"
	"github.com/lockstep-log/lockstep/test/transfers/ledger"
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

// replay has the judge read all logs.
func (p *proof) replay(ctx context.Context, ends []int64) (*ledger.Judge, error) {
	j := ledger.NewJudge(p.crew.place.Bank)
	if err := p.crew.hear(j); err != nil {
		return nil, err
	}
	for i, path := range p.crew.books {
		said, err := claims(ctx, fmt.Sprintf("database %d", i+1), path, p.crew.place.Bank)
		if err != nil {
			return nil, err
		}
		for _, c := range said {
			j.Claim(c)
		}
	}
	for partition, end := range ends {
		err := rawlog.Read(ctx, p.cluster.client, topic, int32(partition), 0, end, func(b record.Batch) error {
			return readBatch(j, int32(partition), b)
		})
		if err != nil {
			return nil, err
		}
		j.End(int32(partition), end)
	}
	return j, nil
}

func readBatch(j *ledger.Judge, partition int32, b record.Batch) error {
	if b.Count() == 0 || b.Control() {
		return nil
	}
	opened, err := b.Open(record.Limits{})
	if err != nil {
		return err
	}
	defer opened.Release()
	for w := opened.Walk(); w.Next(); {
		rec := ledger.Record{Offset: int64(b.BaseOffset() + protocol.Offset(w.OffsetDelta)), Value: w.Value}
		headers := w.Headers()
		for key, value, ok := headers.Next(); ok; key, value, ok = headers.Next() {
			switch string(key) {
			case "lock-write":
				rec.Write = value
			case "lock-basis":
				rec.Basis = value
			}
		}
		j.Record(partition, rec)
	}
	return nil
}

// audit is the product's own opinion.
func (p *proof) audit(ctx context.Context) verdict {
	out, err := p.cluster.Run(ctx, "audit", topic)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return verdict{"lockstep audit", "", err}
}

// replicas stops the brokers and compares what they have on disk.
func (p *proof) replicas(ctx context.Context, ends []int64) verdict {
	v := verdict{check: "three replicas equal, byte by byte"}
	if v.err = p.within(ctx, wholeWithin, p.cluster.Stop); v.err != nil {
		return v
	}
	places := make([][]*check.Replica, len(ends))
	for _, n := range p.cluster.Nodes {
		all, err := check.ReadReplicas(n.ID, n.Data)
		if err != nil {
			v.err = err
			return v
		}
		for name, r := range all {
			for partition := range ends {
				if (check.Place{Topic: topic, Partition: int32(partition)}).IsReplicaOf(name) {
					places[partition] = append(places[partition], r)
				}
			}
		}
	}
	batches := 0
	var wrong []string
	for partition, replicas := range places {
		if len(replicas) != brokers {
			wrong = append(wrong, fmt.Sprintf("partition %d has %d replicas on disk", partition, len(replicas)))
			continue
		}
		batches += replicas[0].Batches()
		wrong = append(wrong, check.SameBytes(ends[partition], replicas)...)
	}
	v.detail = fmt.Sprint(batches, " batches")
	if len(wrong) > 0 {
		v.err = errors.New(strings.Join(wrong, "\n"))
	}
	return v
}

// tables compares the stopped brokers' lock tables with replays of their logs.
func (p *proof) tables(ctx context.Context) verdict {
	v := verdict{check: "lock tables equal a replay"}
	for _, n := range p.cluster.Nodes {
		if out, err := p.cluster.Run(ctx, "dump", "--replay", n.Data); err != nil {
			v.err = errors.Join(v.err, fmt.Errorf("broker %d: %w\n%s", n.ID, err, out))
		}
	}
	return v
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
