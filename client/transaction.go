package client

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// transactionalID has one transaction under way at a time. Of a transaction of
// protocol 2 (KIP-890) there is no beginning: the first batch makes it, and its
// end raises the producer's epoch, so that every transaction begins at sequence 0
// and nothing that lingers of an earlier one can join it.
type transactionalID struct {
	t  *Transactor
	id string

	known    bool // producer and epoch are those of the id
	producer protocol.ProducerID
	epoch    protocol.ProducerEpoch
	open     bool // batches were sent, and no end is known
}

// part is what a transaction appends to one partition: one append.
type part struct {
	at   place
	cond Cond
	recs []*kgo.Record
}

// Requests of transactions of protocol 2.
const (
	produceTransactional = 12 // adds its partitions to the transaction
	endTransactional     = 5  // raises the epoch
)

// errFenced: somebody else has ended the transaction: a timeout, a tool, or a successor.
var errFenced = errors.New("the transaction was ended by somebody else")

// begin makes sure that there is a producer. A transaction that the id has left open
// is aborted by it, before it answers.
func (x *transactionalID) begin(ctx context.Context) error {
	if x.known {
		return nil
	}
	return x.t.retry(ctx, func(ctx context.Context) error {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = &x.id, int32(x.t.opts.timeout.Milliseconds())
		req.ProducerID, req.ProducerEpoch = -1, -1
		resp, err := req.RequestWith(ctx, x.t.c.cl)
		if err == nil {
			err = errorOf(resp.ErrorCode)
		}
		if err != nil {
			return fmt.Errorf("begin with transactional id %s: %w", x.id, err)
		}
		x.producer, x.epoch = protocol.ProducerID(resp.ProducerID), protocol.ProducerEpoch(resp.ProducerEpoch)
		x.known, x.open = true, false
		return nil
	})
}

// commit appends all parts and commits them, or tells why nothing of them is in the
// logs. It tries again until that is known; the parts' lock-ids make what is
// already there a repeat. In turn says that the partitions are asked one after the
// other: of transactions that want each other's locks one is then never refused.
// If ctx ends first, sent says whether the commit may have been carried out.
func (x *transactionalID) commit(ctx context.Context, parts []part, inTurn bool) (_ []Result, sent bool, err error) {
	for wait := backOffMin; ; wait = min(2*wait, backOffMax) {
		results, err := x.tryCommit(ctx, parts, inTurn, &sent)
		switch {
		case err == nil:
			return results, sent, nil
		case !errors.Is(err, errFenced) && !errors.Is(err, kerr.TransactionAbortable), ctx.Err() != nil, x.t.ctx.Err() != nil:
			return nil, sent, err
		}
		if sleep(ctx, wait, nil) != nil {
			return nil, sent, err
		}
	}
}

// tryCommit is one transaction. After errFenced it is not known how it has ended.
func (x *transactionalID) tryCommit(ctx context.Context, parts []part, inTurn bool, sent *bool) ([]Result, error) {
	if err := x.begin(ctx); err != nil {
		return nil, err
	}
	x.open = true
	results, err := x.appendAll(ctx, parts, inTurn)
	if err == nil {
		*sent = true
		err = x.end(ctx, true)
	}
	switch {
	case err == nil:
		return results, nil
	case errors.Is(err, errFenced):
		x.known = false
	case ctx.Err() == nil:
		if !x.abort(ctx) {
			return nil, errors.Join(err, ctx.Err())
		}
		*sent = false // it is known to be aborted
	}
	return nil, err
}

// abort ends the transaction without a trace, and reports whether it knows that it has.
func (x *transactionalID) abort(ctx context.Context) bool {
	err := x.end(ctx, false)
	if errors.Is(err, errFenced) {
		x.known = false
		err = x.begin(ctx)
	}
	return err == nil
}

// end commits or aborts. The answer says that it is done in all partitions.
func (x *transactionalID) end(ctx context.Context, commit bool) error {
	return x.t.retry(ctx, func(ctx context.Context) error {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.Commit = x.id, commit
		req.ProducerID, req.ProducerEpoch = int64(x.producer), int16(x.epoch)
		resp, err := req.RequestWith(ctx, x.t.c.cl)
		if err != nil {
			return err
		}
		switch err := errorOf(resp.ErrorCode); {
		case err == nil && resp.Version < endTransactional:
			return ErrUnsupported
		case err == nil:
			x.producer, x.epoch = protocol.ProducerID(resp.ProducerID), protocol.ProducerEpoch(resp.ProducerEpoch)
			x.open = false
			return nil
		case fences(err):
			return fmt.Errorf("%w: %w", errFenced, err)
		default:
			return err
		}
	})
}

// fences reports whether an error says that the producer is not the id's any more,
// or its transaction is over.
func fences(err error) bool {
	return errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.ProducerFenced) ||
		errors.Is(err, kerr.InvalidProducerIDMapping) || errors.Is(err, kerr.InvalidTxnState) ||
		errors.Is(err, kerr.UnknownProducerID) || errors.Is(err, kerr.OutOfOrderSequenceNumber)
}

// appendAll has every part appended.
func (x *transactionalID) appendAll(ctx context.Context, parts []part, inTurn bool) ([]Result, error) {
	results, errs := make([]Result, len(parts)), make([]error, len(parts))
	if inTurn {
		for i := range parts {
			if results[i], errs[i] = x.append(ctx, &parts[i]); errs[i] != nil {
				return nil, errs[i]
			}
		}
		return results, nil
	}
	var all sync.WaitGroup
	for i := 1; i < len(parts); i++ {
		all.Go(func() { results[i], errs[i] = x.append(ctx, &parts[i]) })
	}
	results[0], errs[0] = x.append(ctx, &parts[0])
	all.Wait()
	return results, worst(errs)
}

// worst is the error that decides what becomes of the transaction: whoever was fenced
// has nothing else to do, and a refusal says what to wait for.
func worst(errs []error) error {
	var refused *Error
	for _, err := range errs {
		if errors.Is(err, errFenced) {
			return err
		}
	}
	for _, err := range errs {
		if errors.As(err, &refused) {
			return err
		}
	}
	return errors.Join(errs...)
}

// append sends a part until its partition's leader says what it came to. The same
// bytes under the same sequence are appended once.
func (x *transactionalID) append(ctx context.Context, p *part) (result Result, err error) {
	raw, err := x.encode(p)
	if err != nil {
		return Result{}, err
	}
	w := partWriter{x: x, part: p, epochs: x.t.c.knownEpoch(p.at), leader: noLeader}
	err = x.t.retry(ctx, func(ctx context.Context) error {
		result, err = w.send(ctx, raw)
		return err
	})
	return result, err
}

// encode makes the batch of a part.
func (x *transactionalID) encode(p *part) ([]byte, error) {
	o := &x.t.c.opts
	buf := headerBufPool.Get().(*headerBuf)
	defer headerBufPool.Put(buf)
	locks, err := o.prepare(p.at, &p.cond, p.recs, buf)
	if err != nil {
		return nil, err
	}
	var now clock
	b := record.NewBuilder(o.codec).Transactional().Producer(x.producer, x.epoch, 0)
	for i, r := range p.recs {
		b.Add(written(r, &now, withLocks(nil, r, locks, p.cond.ID != "", i == len(p.recs)-1)))
	}
	return b.Build()
}

// partWriter sends one part to whoever leads its partition.
type partWriter struct {
	x      *transactionalID
	part   *part
	epochs *knownEpoch
	leader leadership
}

func (w *partWriter) send(ctx context.Context, raw []byte) (Result, error) {
	at, c := w.part.at, w.x.t.c
	if w.leader.broker < 0 {
		l, err := c.leader(at)
		if err == nil && !w.epochs.accept(l) {
			err = errStaleLeader
		}
		if err != nil {
			return Result{}, err
		}
		w.leader = l
	}
	resp, err := c.cl.Broker(int(w.leader.broker)).Request(ctx, w.request(raw))
	if err != nil {
		w.leader = noLeader
		return Result{}, err
	}
	got := resp.(*kmsg.ProduceResponse)
	switch {
	case got.Version < produceTransactional:
		return Result{}, ErrUnsupported
	case len(got.Topics) != 1 || len(got.Topics[0].Partitions) != 1:
		return Result{}, errNoPartition
	}
	return w.result(&got.Topics[0].Partitions[0])
}

func (w *partWriter) request(raw []byte) *transactionalProduce {
	req := &transactionalProduce{newProduce(w.part.at, &options{plain: true, requestTimeout: w.x.t.c.opts.requestTimeout})}
	req.TransactionID = &w.x.id
	protocol.AppendLeaderEpoch(req.epoch[:0], protocol.LeaderEpoch(w.leader.epoch))
	req.Topics[0].Partitions[0].Records = raw
	return req
}

// transactionalProduce is a Produce request that adds its partitions to a transaction.
type transactionalProduce struct{ *produce }

// MaxVersion is called by kgo.
func (*transactionalProduce) MaxVersion() int16 { return produceTransactional }

func (w *partWriter) result(p *kmsg.ProduceResponseTopicPartition) (Result, error) {
	err := errorOf(p.ErrorCode)
	switch {
	case err == nil:
		return Result{Offset: p.BaseOffset, Records: len(w.part.recs), epoch: -1, stamped: p.LogAppendTime >= 0}, nil
	case fences(err):
		return Result{}, fmt.Errorf("%w: %w", errFenced, inItsWords(err, p))
	case kerr.IsRetriable(err):
		w.leader = noLeader
	case p.ErrorMessage != nil:
		if r, ok := protocol.ParseRefusal(*p.ErrorMessage); ok {
			return Result{}, newError(w.part.at.topic, w.part.at.partition, &r, *p.ErrorMessage)
		}
	}
	return Result{}, inItsWords(err, p)
}

// retry calls f until it succeeds, or fails for a reason that time does not cure.
func (t *Transactor) retry(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	for wait := backOffMin; ; wait = min(2*wait, backOffMax/4) {
		err := f(ctx)
		switch {
		case err == nil, ctx.Err() != nil, !mayEnd(err):
			return err
		}
		if sleep(ctx, wait, nil) != nil {
			return err
		}
	}
}

// mayEnd reports whether an error ends by waiting: another request of the id is under
// way, a leader or coordinator is on its way, or a connection broke.
func mayEnd(err error) bool {
	var refused *Error
	if errors.As(err, &refused) || errors.Is(err, errFenced) || errors.Is(err, ErrUnsupported) {
		return false
	}
	return errors.Is(err, kerr.ConcurrentTransactions) || mayPass(err)
}
