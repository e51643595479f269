package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/test/chaos/check"
	"github.com/lockstep-log/lockstep/test/chaos/work"
)

// ledger holds the logs as they were read, and what is known of each round.
type ledger struct {
	work    *work.Workload
	logs    map[check.Place]*check.Log
	readers map[string]map[check.Place]*check.Reader
	all     []check.Append // of all rounds: a later fault must not lose them either
}

func newLedger(w *work.Workload) *ledger {
	l := &ledger{work: w, logs: map[check.Place]*check.Log{}, readers: map[string]map[check.Place]*check.Reader{}}
	for _, at := range w.Places() {
		l.logs[at] = check.NewLog(at)
	}
	for _, name := range w.ReaderNames() {
		l.readers[name] = map[check.Place]*check.Reader{}
		for _, at := range w.Places() {
			l.readers[name][at] = &check.Reader{Name: name}
		}
	}
	return l
}

const violationsMax = 20 // told of one judgement

// violations is an error that names the first of them, each once.
func violations(wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	times := map[string]int{}
	var told []string
	for _, w := range wrong {
		if times[w]++; times[w] == 1 && len(told) < violationsMax {
			told = append(told, w)
		}
	}
	for i, w := range told {
		if times[w] > 1 {
			told[i] = fmt.Sprintf("%s (%d times)", w, times[w])
		}
	}
	return fmt.Errorf("%d violations\n  %s", len(wrong), strings.Join(told, "\n  "))
}

// judge reads on in the logs and holds a round against them.
func (l *ledger) judge(ctx context.Context, c *chaos, r *work.Round) error {
	ends, err := c.ends(ctx)
	if err != nil {
		return err
	}
	wrong := slices.DeleteFunc(slices.Clone(r.Complaints), c.tolerates)
	registers := map[check.Place]int64{}
	upTo := map[check.Place]int64{}
	for at, log := range l.logs {
		registers[at] = log.Next() - 1
		records, err := readLog(ctx, c, at, log.Next(), ends[at])
		if err != nil {
			return errors.Join(violations(wrong), err)
		}
		wrong = append(wrong, log.Extend(records)...)
		upTo[at] = log.Next()
	}
	for at, log := range l.logs {
		wrong = append(wrong, log.Acks(r.Appends)...)
		wrong = append(wrong, log.Refusals(r.Appends)...)
		wrong = append(wrong, log.RealTime(r.Appends)...)
		switch at.Topic {
		case work.Bank:
			wrong = append(wrong, log.Bank()...)
		case work.Plain:
			wrong = append(wrong, log.Sequence(work.ProducerName(at.Partition))...)
		case work.Register:
			wrong = append(wrong, log.Register(registers[at], of(at, r.Appends))...)
		}
	}
	l.all = append(l.all, r.Appends...)
	if err := violations(wrong); err != nil {
		return err
	}
	return l.judgeReaders(ctx, r, upTo)
}

// judgeReaders waits until all readers have read all there is.
func (l *ledger) judgeReaders(ctx context.Context, r *work.Round, upTo map[check.Place]int64) error {
	late := l.work.CaughtUp(ctx, upTo)
	readings := l.work.Readings()
	for name, before := range r.Readings {
		readings[name] = append(before, readings[name]...)
	}
	var wrong []string
	for name, all := range readings {
		by := map[check.Place][]check.Reading{}
		for _, one := range all {
			by[one.At] = append(by[one.At], one)
		}
		for at, some := range by {
			wrong = append(wrong, l.logs[at].Reads(l.readers[name][at], some)...)
		}
	}
	return errors.Join(violations(wrong), late)
}

// tolerates says whether a complaint is known.
func (c *chaos) tolerates(complaint string) bool {
	return slices.ContainsFunc(c.options.tolerate, func(text string) bool { return strings.Contains(complaint, text) })
}

func of(at check.Place, history []check.Append) []check.Append {
	return slices.DeleteFunc(slices.Clone(history), func(a check.Append) bool { return a.At != at })
}

// counts of outcomes, for a line.
func counts(appends []check.Append) string {
	var n [4]int
	for _, a := range appends {
		n[a.Outcome]++
	}
	return fmt.Sprintf("acked %5d  refused %3d  unknown %d  failed %d", n[check.Acked], n[check.Refused], n[check.Unknown], n[check.Failed])
}

func (l *ledger) totals() string { return counts(l.all) }
