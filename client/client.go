package client

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// Client appends to partitions, each append with a condition and a verdict of
// its own. Any number of goroutines may use it.
//
//	Append ─► the batch that waits ─► Produce request ─► verdicts ─► Append returns
//
// Each partition that is written to has a partitionWriter. Its goroutine lives while
// it holds anything, gives its batches sequences as an idempotent producer does,
// and sends a batch whose outcome it does not know again until it knows. Appends
// that wait while a request is in flight form the next batch: each is written into
// it by its caller, and is nothing but bytes from then on.
type Client struct {
	cl          *kgo.Client
	opts        options
	appendLimit *appendLimit

	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu struct {
		sync.Mutex
		writers map[place]*partitionWriter
		epochs  map[place]*knownEpoch
		closed  bool
	}
	lastWriter atomic.Pointer[partitionWriter] // the one that was asked for last
	running    sync.WaitGroup                  // writers and requests
}

// place names a partition.
type place struct {
	topic     string
	partition int32
}

// New returns a client that sends through cl, on connections that it shares
// with cl's own producer. It asks a broker whether it judges lock requests:
// ErrUnsupported if not. While no broker can be reached it tries again, for
// RequestTimeout or until cl is closed. It starts no goroutine. Close it before cl.
func New(cl *kgo.Client, opts ...Option) (*Client, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	c := &Client{cl: cl, opts: o, appendLimit: newAppendLimit(o.buffered)}
	c.ctx, c.stop = context.WithCancel(cl.Context())
	if err := c.checkFeature(); err != nil {
		c.stop()
		return nil, err
	}
	c.mu.writers, c.mu.epochs = map[place]*partitionWriter{}, map[place]*knownEpoch{}
	return c, nil
}

const (
	feature        = "conflict.version"
	featureVersion = 1
)

func (c *Client) checkFeature() error {
	ctx, cancel := context.WithTimeout(c.ctx, c.opts.requestTimeout)
	defer cancel()
	for wait := backOffMin; ; wait = min(2*wait, backOffMax) {
		resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, c.cl)
		if err == nil {
			return judges(resp)
		}
		if !mayPass(err) || sleep(ctx, wait, nil) != nil {
			return fmt.Errorf("ask for the broker's features: %w", err)
		}
	}
}

func judges(resp *kmsg.ApiVersionsResponse) error {
	for _, f := range resp.SupportedFeatures {
		if f.Name == feature && f.MinVersion <= featureVersion && featureVersion <= f.MaxVersion {
			return nil
		}
	}
	return ErrUnsupported
}

// Append appends records to a partition as one: all of them, side by side, if
// the condition holds, or none. It returns when the outcome is known, and the
// outcome is one of these:
//
//   - a Result: the records are committed, at these offsets;
//   - an *Error: they were refused; nothing of them is in the log;
//   - an *Interruption: the context ended or the client was closed, before the
//     records were sent, or, with ErrUnknownResult, after it: then they may be in
//     the log. Appending them again with the same Cond.ID tells the truth.
//   - any other error: nothing of them is in the log.
//
// Appends of different goroutines may share a batch, and are judged in its
// order; one that is refused costs the others nothing. The records' Topic and
// Partition are not looked at. The records are not changed, and must not be
// changed until Append returns; a zero Timestamp is now, or the time of an append
// of the same batch shortly before.
func (c *Client) Append(ctx context.Context, topic string, partition int32, cond Cond,
	recs ...*kgo.Record) (Result, error) {
	w := newCall()
	if err := c.append(pending{ctx: ctx, call: w}, place{topic, partition}, cond, recs); err != nil {
		return Result{}, err
	}
	return w.wait(ctx, c.ctx)
}

// AppendAsync is Append for a caller who has many appends under way at once and
// no goroutine to spare for each: done is called with what Append would return,
// once, and must not block. It waits itself while the client is full; the records
// are the caller's again when it returns. A context
// that ends stops an append that was not sent yet; one that was sent is waited
// for until its outcome is known or the client is closed. Appends that one
// goroutine hands over one after the other are judged in that order, unless a
// batch of theirs is refused as a whole.
func (c *Client) AppendAsync(ctx context.Context, topic string, partition int32, cond Cond, done func(Result, error),
	recs ...*kgo.Record) {
	if err := c.append(pending{ctx: ctx, done: done}, place{topic, partition}, cond, recs); err != nil {
		done(Result{}, err)
	}
}

// append waits until the client may hold one more, and hands it to its partition's writer. After an error its
// outcome is told to nobody else.
func (c *Client) append(p pending, at place, cond Cond, recs []*kgo.Record) error {
	buf := headerBufPool.Get().(*headerBuf)
	defer headerBufPool.Put(buf)
	locks, err := c.opts.prepare(at, &cond, recs, buf)
	if err != nil {
		return err
	}
	p.id = cond.ID
	if err := c.appendLimit.acquire(p.ctx, c.ctx); err != nil {
		return &Interruption{Err: err}
	}
	w, err := c.partitionWriter(at)
	if err == nil && !w.enqueue(p, recs, locks) {
		err = ErrClosed
	}
	if err != nil {
		c.appendLimit.giveBack(1)
	}
	return err
}

// partitionWriter finds a partition's writer, or makes it.
func (c *Client) partitionWriter(at place) (*partitionWriter, error) {
	if w := c.lastWriter.Load(); w != nil && w.at == at {
		return w, nil // it knows itself when the client is closed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil, ErrClosed
	}
	w := c.mu.writers[at]
	if w == nil {
		w = newPartitionWriter(c, at, c.knownEpochLocked(at))
		c.mu.writers[at] = w
	}
	c.lastWriter.Store(w)
	return w, nil
}

// startGoroutine runs f on a goroutine that Close waits for, unless the client is closed.
func (c *Client) startGoroutine(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return false
	}
	c.running.Go(f)
	return true
}

// Close ends the client and waits for its goroutines. Appends that have not
// got their outcome return ErrClosed, with ErrUnknownResult if they were sent.
// The kgo.Client stays open.
func (c *Client) Close() {
	c.mu.Lock()
	c.mu.closed = true
	c.mu.Unlock()
	c.stop()
	c.running.Wait()
}

// producer asks for a new producer id.
func (c *Client) producer() (protocol.ProducerID, protocol.ProducerEpoch, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	ctx, cancel := context.WithTimeout(c.ctx, c.opts.requestTimeout)
	defer cancel()
	resp, err := req.RequestWith(ctx, c.cl)
	if err == nil {
		err = errorOf(resp.ErrorCode)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("ask for a producer id: %w", err)
	}
	return protocol.ProducerID(resp.ProducerID), protocol.ProducerEpoch(resp.ProducerEpoch), nil
}

// TopicID is the id that a topic was given when it was created. A topic that is
// deleted and created again under its name has another one.
func (c *Client) TopicID(ctx context.Context, topic string) ([16]byte, error) {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = kmsg.StringPtr(topic)
	req.Topics = []kmsg.MetadataRequestTopic{rt}
	req.AllowAutoTopicCreation = c.createsTopics()
	resp, err := req.RequestWith(ctx, c.cl)
	switch {
	case err != nil:
	case len(resp.Topics) != 1:
		err = kerr.UnknownTopicOrPartition
	default:
		err = errorOf(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		return [16]byte{}, fmt.Errorf("ask for the id of topic %s: %w", topic, err)
	}
	return resp.Topics[0].TopicID, nil
}
