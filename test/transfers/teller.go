package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

// tellerOrder is what a teller is to do.
type tellerOrder struct {
	place
	Writer  uint32 // begins the ids of its transfers; no other teller of the run ever has it
	Writers int    // goroutines
	Seed    uint64
	Acks    string // file to note acknowledgements in
	Saved   string // directory of its post, where views are saved
}

// tellerReport is a line of a teller's standard output.
type tellerReport struct {
	Transfers []int64 // in the log, by partition, as its views know it
	Commits   int64   // its own
	Refusals  int64
	Reruns    int64 // decisions made again
	Declined  int64 // not covered
	Unknown   int64 // transfers that may or may not be in the log
}

const (
	amountMax   = 200
	reportEvery = 500 * time.Millisecond
	saveEvery   = 3 * time.Second
)

// teller carries a tellerOrder out. Its writers share it.
type teller struct {
	tellerOrder
	views    []*client.View[*ledger.State] // by partition
	acks     *ackFile
	sequence atomic.Uint32
	wishes   atomic.Int64
	declined atomic.Int64
	unknown  atomic.Int64
}

func (o tellerOrder) carryOut(ctx context.Context) (err error) {
	c, closeClient, err := o.extended(ctx)
	if err != nil {
		return err
	}
	defer closeClient()
	t := &teller{tellerOrder: o}
	if t.acks, err = openAckFile(o.Acks); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.acks.close()) }()
	for p := range int32(o.Bank.Partitions) {
		state, basis, err := load(o.Saved, o.Bank, p)
		if err != nil {
			return err
		}
		v, err := client.NewView(c, topic, p, state, book, client.From(basis))
		if err != nil {
			return err
		}
		defer v.Close()
		t.views = append(t.views, v)
	}
	return t.work(ctx)
}

// book is the views' apply. What cannot be booked ends the view, and the run.
func book(s **ledger.State, r *kgo.Record) {
	t, err := ledger.DecodeTransfer(r.Value)
	if err == nil {
		err = (*s).Apply(t)
	}
	if err != nil {
		panic(err)
	}
}

// work runs the writers, and what goes on beside them, until ctx ends or one of
// them fails.
func (t *teller) work(ctx context.Context) error {
	writing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var writers sync.WaitGroup
	for w := range t.Writers {
		writers.Go(func() {
			if err := t.write(writing, rand.New(rand.NewPCG(t.Seed, uint64(w)))); err != nil {
				stop(err)
			}
		})
	}
	beside, end := context.WithCancel(ctx)
	var others sync.WaitGroup
	others.Go(func() { t.acks.flushOften(beside, stop) })
	others.Go(func() { t.often(beside, stop, reportEvery, t.report) })
	others.Go(func() { t.often(beside, stop, saveEvery, t.save) })
	writers.Wait()
	end()
	others.Wait()
	if ctx.Err() == nil {
		return context.Cause(writing)
	}
	last, cancel := context.WithTimeout(context.Background(), lastWithin)
	defer cancel()
	return errors.Join(t.save(last), t.report(last))
}

// lastWithin bounds the views' last reading.
const lastWithin = 30 * time.Second

func (t *teller) often(ctx context.Context, stop func(error), every time.Duration, do func(context.Context) error) {
	for pause(ctx, every) {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			stop(err)
			return
		}
	}
}

var errNotCovered = errors.New("not covered")

// write makes transfers until ctx ends. One that is under way then is waited
// for, so that a teller who is asked to end knows all of its own.
func (t *teller) write(ctx context.Context, rng *rand.Rand) error {
	for ctx.Err() == nil {
		wish := t.wish(rng)
		partition := t.Bank.Partition(wish.From)
		t.wishes.Add(1)
		result, err := t.views[partition].Update(context.WithoutCancel(ctx), func(tx *client.Tx, s *ledger.State) error {
			if !s.Covers(wish.From, wish.Amount) {
				return errNotCovered
			}
			tx.Lock(client.Write(strconv.Itoa(int(wish.From))), client.Write(strconv.Itoa(int(wish.To))))
			tx.Append(&kgo.Record{Value: wish.Encode()})
			return nil
		})
		switch {
		case err == nil:
			t.acks.add(ledger.Ack{ID: wish.ID, Partition: partition, Offset: result.Offset})
		case errors.Is(err, errNotCovered):
			t.declined.Add(1)
		case errors.Is(err, client.ErrUnknownResult):
			t.unknown.Add(1)
		default:
			return fmt.Errorf("transfer %v in partition %d: %w", wish.ID, partition, err)
		}
	}
	return nil
}

// wish is a transfer between two accounts of one partition.
func (t *teller) wish(rng *rand.Rand) ledger.Transfer {
	from := uint32(rng.IntN(t.Bank.Accounts))
	partition := t.Bank.Partition(from)
	size := t.Bank.Size(partition)
	to := t.Bank.Account(partition, (t.Bank.Place(from)+1+rng.IntN(size-1))%size)
	return ledger.Transfer{ID: ledger.NewID(t.Writer, t.sequence.Add(1)), From: from, To: to, Amount: 1 + rng.Uint32N(amountMax)}
}

func (t *teller) report(ctx context.Context) error {
	r := tellerReport{Declined: t.declined.Load(), Unknown: t.unknown.Load()}
	decisions := int64(0)
	for _, v := range t.views {
		c := v.Counts()
		r.Commits, r.Refusals, decisions = r.Commits+c.Commits, r.Refusals+c.Refusals, decisions+c.Decisions
		if err := v.Read(ctx, func(s *ledger.State, _ int64) error {
			r.Transfers = append(r.Transfers, s.Transfers)
			return nil
		}); err != nil {
			return err
		}
	}
	r.Reruns = max(0, decisions-t.wishes.Load())
	return json.NewEncoder(os.Stdout).Encode(r)
}

// save saves all views.
func (t *teller) save(ctx context.Context) error {
	for _, v := range t.views {
		var s saved
		if err := v.Read(ctx, func(state *ledger.State, basis int64) error {
			s = copyOf(state, basis)
			return nil
		}); err != nil {
			return err
		}
		if err := s.write(t.Saved); err != nil {
			return err
		}
	}
	return nil
}
