package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Participant is a partition that a decision looks at: a View, or a Fold, whose
// state is kept elsewhere.
type Participant interface {
	participant() *Fold
	hold()          // the state, until letGo
	letGo()         //
	basisOf() int64 // of the state that is held
}

// JointTx is what one run of a decision over several partitions wants appended.
type JointTx struct {
	members []Participant // in the order of their partitions
	txs     []Tx
}

// Of is the part of the decision that concerns a participant: its locks and records.
// It panics for one that Update was not given.
func (j *JointTx) Of(p Participant) *Tx {
	at := slices.Index(j.members, p)
	if at < 0 {
		panic("client: the decision looks at a partition that Update was not given")
	}
	return &j.txs[at]
}

// In is Of, with the state that the decision sees.
func (v *View[S]) In(j *JointTx) (*Tx, S) { return j.Of(v), v.mu.state }

func (v *View[S]) participant() *Fold { return v.fold }
func (v *View[S]) hold()              { v.mu.RLock() }
func (v *View[S]) letGo()             { v.mu.RUnlock() }
func (v *View[S]) basisOf() int64     { return v.mu.basis }

func (f *Fold) participant() *Fold { return f }
func (f *Fold) hold()              {}
func (f *Fold) letGo()             {}
func (f *Fold) basisOf() int64     { return None } // whoever drives it calls Tx.SetBasis

// Update has decide look at the states of several partitions and decide, and commits
// what it decided in one transaction: all of it, or nothing. If somebody has
// written one of its locks since, or holds one in a transaction that is still
// open, Update reads on until that is over and has it decide again, until the
// transaction is committed, decide returns an error, which is Update's then, or the
// context ends. All that these participants have appended before is in their states
// when decide is called.
//
// A partition takes part if decide gave it a record or a lock: of one with locks
// alone a guard says, for good, what it was right about. If only one takes part,
// its append is an ordinary one, and no transaction is paid for. The results are
// in the order of the participants; that of one without a record is {Offset: None}.
//
// On an Interruption with ErrUnknownResult the transaction may be committed, as a
// whole. If decide gave every part an ID, deciding the same again tells.
func (t *Transactor) Update(ctx context.Context, decide func(*JointTx) error, participants ...Participant) ([]Result, error) {
	j := newJoint(t, decide, participants)
	if err := j.check(); err != nil {
		return nil, err
	}
	for {
		if err := j.decide(ctx); err != nil {
			return nil, err
		}
		results, err := j.carryOut(ctx)
		if err == nil {
			return results, nil
		}
		if err := j.refused(ctx, err); err != nil {
			return nil, err
		}
	}
}

// joint is one call of Update.
type joint struct {
	t        *Transactor
	fn       func(*JointTx) error
	given    []Participant
	tx       JointTx
	refusals int
}

// newJoint sorts the participants: all hold states in one order, so that none waits
// for another that waits for it.
func newJoint(t *Transactor, fn func(*JointTx) error, given []Participant) *joint {
	j := &joint{t: t, fn: fn, given: given}
	j.tx.members = slices.Clone(given)
	slices.SortStableFunc(j.tx.members, func(a, b Participant) int {
		x, y := a.participant().feed.at, b.participant().feed.at
		return cmp.Or(cmp.Compare(x.topic, y.topic), cmp.Compare(x.partition, y.partition))
	})
	return j
}

// check refuses what would wait for itself.
func (j *joint) check() error {
	for i, m := range j.tx.members[min(1, len(j.tx.members)):] {
		if a, b := j.tx.members[i].participant().feed.at, m.participant().feed.at; a == b {
			return fmt.Errorf("partition %d of %s takes part twice", a.partition, a.topic)
		}
	}
	return nil
}

// decide runs fn on the states when they hold all that their folds have written.
func (j *joint) decide(ctx context.Context) error {
	for _, m := range j.tx.members {
		f := m.participant()
		if err := f.Await(ctx); err != nil {
			return err
		}
		f.counts.decisions.Add(1)
	}
	j.tx.txs = make([]Tx, len(j.tx.members))
	for i, m := range j.tx.members {
		m.hold()
		defer m.letGo()
		j.tx.txs[i].basis = m.basisOf()
	}
	return j.fn(&j.tx)
}

// carryOut appends what was decided.
func (j *joint) carryOut(ctx context.Context) ([]Result, error) {
	parts, of := j.parts()
	results := make([]Result, len(j.tx.members))
	for i := range results {
		results[i].Offset = None
	}
	if len(parts) == 0 {
		return j.asGiven(results), nil
	}
	appended, err := j.append(ctx, parts)
	if err != nil {
		return nil, err
	}
	for i, r := range appended {
		f := j.tx.members[of[i]].participant()
		f.noteWritten(r)
		f.counts.commits.Add(1)
		if len(j.tx.txs[of[i]].records) > 0 {
			results[of[i]] = r
		}
	}
	return j.asGiven(results), nil
}

// parts are the appends of the decision, and of which members they are.
func (j *joint) parts() (parts []part, of []int) {
	for i := range j.tx.txs {
		tx := &j.tx.txs[i]
		if len(tx.records) == 0 && len(tx.locks) == 0 {
			continue
		}
		f := j.tx.members[i].participant()
		p := part{at: f.feed.at, cond: Cond{ID: tx.id, Basis: tx.basis, Locks: tx.locks}, recs: tx.records}
		if len(p.recs) == 0 {
			p.recs = []*kgo.Record{newGuard()}
		}
		if p.cond.ID == "" {
			p.cond.ID = f.newID(0)
		}
		parts, of = append(parts, p), append(of, i)
	}
	return parts, of
}

// append appends the only part, or commits all in a transaction.
func (j *joint) append(ctx context.Context, parts []part) ([]Result, error) {
	if len(parts) == 1 {
		p := &parts[0]
		r, err := j.t.c.Append(ctx, p.at.topic, p.at.partition, p.cond, p.recs...)
		return []Result{r}, err
	}
	id, err := j.t.acquire(ctx)
	if err != nil {
		return nil, &Interruption{Err: err}
	}
	defer j.t.release(id)
	results, sent, err := id.commit(ctx, parts, j.refusals > 0)
	if err == nil {
		return results, nil
	}
	end := ctx.Err()
	if end == nil && j.t.ctx.Err() != nil {
		end = ErrClosed
	}
	if end != nil {
		return nil, &Interruption{Err: end, Last: err, Sent: sent}
	}
	return nil, err
}

// asGiven puts the results of members into the order of the participants.
func (j *joint) asGiven(results []Result) []Result {
	out := make([]Result, len(j.given))
	for i, p := range j.given {
		out[i] = results[slices.Index(j.tx.members, p)]
	}
	return out
}

// refused waits until deciding again may succeed, or returns the error if it cannot.
func (j *joint) refused(ctx context.Context, err error) error {
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrConflict) {
		return err
	}
	i := slices.IndexFunc(j.tx.members, func(p Participant) bool {
		return p.participant().feed.at == place{e.Topic, e.Partition}
	})
	f, last := j.tx.members[i].participant(), e.Last
	f.counts.refusals.Add(1)
	if last == None { // the lock history does not reach back: only the end will do
		if last, err = f.feed.end(ctx); err != nil {
			return err
		}
	}
	if last <= j.tx.txs[i].basis {
		return e // a basis of its own that fn gave a lock: the same again would be refused again
	}
	// What is read is decided: having come past the offset of a transaction's record
	// is to know that it has ended.
	if err := f.caughtUp(ctx, last); err != nil {
		return err
	}
	j.refusals++
	return j.backOff(ctx)
}

// backOff waits a random time that grows: those who were refused together would be in each
// other's way again.
func (j *joint) backOff(ctx context.Context) error {
	if j.refusals == 1 {
		return nil
	}
	bound := backOffMin << min(j.refusals-2, refusalsMax)
	return sleep(ctx, time.Duration(rand.Int64N(int64(bound))), nil)
}
