package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Transactor commits what was decided over several partitions as one transaction:
// all of it enters the logs, or none, and nothing that the decision named has
// changed in between. Committed decisions of all Transactors and Views have one
// order in which each is right about what it named.
//
//	decide ─► a record or guard for each partition, with its locks ─► all admitted ─► commit
//	   ▲                         │ refused, or held by another transaction
//	   └── read on ◄── abort ◄───┘
//
// It holds a pool of transactional ids, of which each has one transaction under way
// at a time. Any number of goroutines may use it.
type Transactor struct {
	c     *Client
	opts  transactorOptions
	spare chan *transactionalID
	size  int

	mu struct {
		sync.Mutex
		closed bool
	}
	ctx     context.Context // ends with Close, or with the Client
	stop    context.CancelFunc
	running sync.WaitGroup
}

// TransactorOption changes a default of NewTransactor.
type TransactorOption func(*transactorOptions)

type transactorOptions struct {
	pool    int
	timeout time.Duration
}

const (
	transactionsDefault       = 16
	transactionTimeoutDefault = 10 * time.Second
	// abortTimeout bounds the abort of a transaction whose caller has left.
	abortTimeout = 5 * time.Second
)

// Transactions is how many transactions may be under way at a time, 16 by default;
// Update waits while there are as many. Each has a transactional id: that of the
// Transactor, a dash and a number.
func Transactions(n int) TransactorOption { return func(o *transactorOptions) { o.pool = n } }

// TransactionTimeout is for how long a transaction whose process has died may go on
// holding its locks: 10 s by default.
func TransactionTimeout(d time.Duration) TransactorOption {
	return func(o *transactorOptions) { o.timeout = d }
}

// NewTransactor makes a Transactor whose transactional ids begin with id. No other
// process may use that id at the same time: the newer one fences the older. A
// process that comes back with the id that it had before ends at once what it
// left open; under another id that would wait for the transaction timeout. Close
// it before the Client.
func NewTransactor(c *Client, id string, o ...TransactorOption) (*Transactor, error) {
	opts := transactorOptions{pool: transactionsDefault, timeout: transactionTimeoutDefault}
	for _, opt := range o {
		opt(&opts)
	}
	switch {
	case id == "":
		return nil, errors.New("a transactor needs an id")
	case opts.pool < 1 || opts.timeout < time.Millisecond:
		return nil, fmt.Errorf("%d transactions and a timeout of %v; there must be 1, of 1ms, at least", opts.pool, opts.timeout)
	}
	t := &Transactor{c: c, opts: opts, spare: make(chan *transactionalID, opts.pool), size: opts.pool}
	t.ctx, t.stop = context.WithCancel(c.ctx)
	for i := range opts.pool {
		t.spare <- &transactionalID{t: t, id: id + "-" + strconv.Itoa(i)}
	}
	return t, t.endPredecessors()
}

// endPredecessors takes every id of the pool from whoever had it before, beside what
// the caller does: what that has left open holds its locks until then.
func (t *Transactor) endPredecessors() error {
	for range t.size {
		id := <-t.spare
		ok := t.goroutine(func() {
			defer func() { t.spare <- id }()
			ctx, cancel := context.WithTimeout(t.ctx, t.c.opts.requestTimeout)
			defer cancel()
			_ = id.begin(ctx) // the next transaction tries again, and tells
		})
		if !ok {
			return ErrClosed
		}
	}
	return nil
}

// goroutine runs f on a goroutine that Close waits for, unless the Transactor is closed.
func (t *Transactor) goroutine(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed || t.ctx.Err() != nil {
		return false
	}
	t.running.Go(f)
	return true
}

// Close ends the Transactor and waits for what is under way. What is open is aborted
// by the brokers when its timeout is over, or when a successor with its id begins.
func (t *Transactor) Close() {
	t.mu.Lock()
	t.mu.closed = true
	t.mu.Unlock()
	t.stop()
	t.running.Wait()
}

// acquire waits for a transactional id that nobody uses.
func (t *Transactor) acquire(ctx context.Context) (*transactionalID, error) {
	select {
	case id := <-t.spare:
		return id, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.ctx.Done():
		return nil, ErrClosed
	}
}

// release gives an id back. What it may have left open is aborted first, beside
// what the caller does.
func (t *Transactor) release(id *transactionalID) {
	if !id.open {
		t.spare <- id
		return
	}
	t.goroutine(func() {
		ctx, cancel := context.WithTimeout(t.ctx, abortTimeout)
		defer cancel()
		id.abort(ctx)
		t.spare <- id
	})
}
