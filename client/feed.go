package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// feed reads one partition from an offset on, for one fold.
//
// It sends its own Fetch requests, on connections of its own: a consumer does
// not tell how far it has read where batches are empty, and the batches of
// refused appends are; and a long poll would hold up others that share its
// connection.
//
// Each request names the leader epoch that the feed goes by and the epoch of what
// it has read last (KIP-320): a leader that was deposed and does not know it
// refuses it, or is found not to have it. Even then the feed believes nobody but
// the leader of the newest epoch that it has heard of: see feed.missing.
type feed struct {
	c      *Client
	own    Client // over a kgo.Client of the feed's own, to ask for leaders; it appends nothing
	at     place
	epochs *knownEpoch
	// allowCut lets a feed that begins without a state begin where the log does.
	allowCut  bool
	isolation int8
	// patience is for how long the feed may come no further; 0: for ever.
	patience time.Duration
	// removed, if there is one, words that the next record was removed.
	removed func(logStart int64) error

	// Of the goroutine.
	next   position
	leader leadership // noLeader: to be asked for
	topic  topicIdentity
	size   int // about what a batch takes, in bytes

	wake  chan struct{} // one signal: look again how to read on
	began struct {
		sync.Once
		done chan struct{} // closed when end is known, or the feed has ended
		end  int64         // the last stable offset before the first fetch
	}
	stop    context.CancelFunc
	ctx     context.Context
	running sync.WaitGroup
}

// position is how far a partition is read.
type position struct {
	offset int64 // the next to read
	epoch  int32 // in which the batch before it was written; -1: it is not known
}

const (
	fetchWaitMs   = 500
	fetchBytesMax = 4 << 20
	fetchBackOff  = 50 * time.Millisecond

	// The isolation levels of Kafka: all that is committed, or of that what is decided
	// (below the last stable offset) and not aborted.
	readUncommitted = 0
	readCommitted   = 1
)

func newFeed(c *Client, at place, basis int64, more []kgo.Opt) (*feed, error) {
	opts := append(slices.Clone(c.cl.Opts()), kgo.ConsumerGroup(""), kgo.ConsumeTopics(), kgo.ConsumePartitions(nil))
	cl, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, err
	}
	f := feedOver(c, cl, at, basis+1)
	f.isolation = readCommitted
	return f, nil
}

// feedOver is a feed that reads through cl, undecided and aborted records too.
func feedOver(c *Client, cl *kgo.Client, at place, from int64) *feed {
	f := &feed{c: c, at: at, epochs: c.knownEpoch(at), next: position{from, -1}, leader: noLeader,
		wake: make(chan struct{}, 1)}
	f.own.cl, f.own.opts = cl, c.opts
	f.ctx, f.stop = context.WithCancel(c.ctx)
	f.own.ctx = f.ctx
	f.began.done = make(chan struct{})
	return f
}

// consumeFunc takes what was read: batches, of which the first may begin before what
// was read last ends, and the position behind what was read, which may lie behind
// a gap. It returns from where to read on.
type consumeFunc func(batches []record.Batch, next position) (position, error)

// planFunc says how to read on, and from where.
type planFunc func() (r reading, next position)

// start reads on its goroutine until close, an error of take, or one that no
// trying again can cure; then it calls end. It reads as plan says.
func (f *feed) start(take consumeFunc, plan planFunc, end func(error)) {
	f.running.Go(func() {
		err := f.readLoop(take, plan)
		if f.ctx.Err() != nil {
			err = ErrClosed
		}
		end(err)
		f.noteBegin(0)
	})
}

func (f *feed) close() {
	f.stop()
	f.running.Wait()
	f.own.cl.Close()
}

// awaitBegin waits until the feed has begun and returns the last offset that was
// committed then.
func (f *feed) awaitBegin(ctx context.Context) (int64, error) {
	select {
	case <-f.began.done:
		return f.began.end - 1, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (f *feed) noteBegin(end int64) {
	f.began.Do(func() {
		f.began.end = end
		close(f.began.done)
	})
}

func (f *feed) readLoop(take consumeFunc, plan planFunc) error {
	tries, moved := 0, time.Now()
	for f.ctx.Err() == nil {
		before := f.next
		p, err := f.ask(f.awaitReader(plan))
		var ended error
		switch {
		case err == nil && p.DivergingEpoch.EndOffset >= 0, errors.Is(err, kerr.OffsetOutOfRange) && p != nil:
			ended, err = f.confirmMissing(take)
		case err == nil:
			tries = 0
			ended = f.deliver(p, take)
		}
		if f.next != before {
			moved = time.Now()
		}
		switch {
		case ended != nil:
			return ended
		case f.patience > 0 && time.Since(moved) > f.patience:
			return cmp.Or(err, fmt.Errorf("no batch at offset %d", f.next.offset))
		case err == nil:
		case !mayPass(err), errors.Is(err, errTopicReplaced):
			return err
		default:
			// A connection that broke is made again at once; who leads is
			// asked again when that does not help.
			if tries++; tries > 1 || ofBroker(err) {
				f.leader = noLeader
				f.sleep(fetchBackOff)
			}
		}
	}
	return ErrClosed
}

// ask fetches from the leader, once it is known.
func (f *feed) ask(r reading) (_ *kmsg.FetchResponseTopicPartition, err error) {
	if f.leader.broker < 0 || f.leader.epoch < f.epochs.epoch() {
		if f.leader, err = f.findLeader(); err != nil {
			return nil, err
		}
	}
	if err := f.learnEnd(); err != nil {
		return nil, err
	}
	return f.fetch(r)
}

// findLeader asks who leads the partition, in an epoch that is no earlier than
// any that is known.
func (f *feed) findLeader() (leadership, error) {
	l, err := f.own.leader(f.at)
	if err == nil {
		err = f.topic.check(l.topic)
	}
	if err == nil && !f.epochs.accept(l) {
		err = errStaleLeader
	}
	if err != nil {
		return noLeader, err
	}
	return l, nil
}

// learnEnd asks for the end once. A fetch would tell it too, but a leader that
// is new does not answer this with less than was committed.
func (f *feed) learnEnd() error {
	select {
	case <-f.began.done:
		return nil
	default:
	}
	end, err := f.offsetOf(f.ctx, f.leader, timeLatest)
	if err == nil {
		f.noteBegin(end)
	}
	return err
}

// awaitReader lets time pass while nobody needs what there is to read.
func (f *feed) awaitReader(plan planFunc) reading {
	for {
		r, next := plan()
		if next.offset > f.next.offset {
			f.next = next
		}
		if r.rest == 0 || !f.sleepUntilNotified(r.rest) && r.writes > 0 || f.ctx.Err() != nil {
			return r
		}
	}
}

// sleepUntilNotified reports whether it was notified.
func (f *feed) sleepUntilNotified(d time.Duration) (notified bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-f.wake:
		return true
	case <-t.C:
	case <-f.ctx.Done():
	}
	return false
}

// notify has the feed ask anew how to read on, if it rests.
func (f *feed) notify() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *feed) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.ctx.Done():
	}
}

func (f *feed) fetch(r reading) (*kmsg.FetchResponseTopicPartition, error) {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = -1, fetchWaitMs, 1, fetchBytesMax
	if r.writes > 1 && f.size > 0 {
		req.MinBytes = int32((r.writes-1)*f.size + f.size/2)
		req.MaxWaitMillis = 1 + int32(r.within/time.Millisecond)
	}
	req.IsolationLevel, req.SessionEpoch = f.isolation, -1
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = f.at.partition, f.next.offset, fetchBytesMax
	rp.CurrentLeaderEpoch, rp.LastFetchedEpoch = f.leader.epoch, f.next.epoch
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID, rt.Partitions = f.at.topic, f.leader.topic, []kmsg.FetchRequestTopicPartition{rp}
	req.Topics = []kmsg.FetchRequestTopic{rt}
	resp, err := f.own.cl.Broker(int(f.leader.broker)).Request(f.ctx, req)
	if err != nil {
		return nil, err
	}
	got := resp.(*kmsg.FetchResponse)
	if err := errorOf(got.ErrorCode); err != nil {
		return nil, err
	}
	if len(got.Topics) != 1 || len(got.Topics[0].Partitions) != 1 {
		return nil, errNoPartition
	}
	p := &got.Topics[0].Partitions[0]
	return p, errorOf(p.ErrorCode)
}

// end asks for the last offset that is committed and decided now, until somebody knows.
func (f *feed) end(ctx context.Context) (int64, error) {
	for {
		l, err := f.own.leader(f.at)
		if err == nil && !f.epochs.accept(l) {
			err = errStaleLeader
		}
		if err == nil {
			var end int64
			if end, err = f.offsetOf(ctx, l, timeLatest); err == nil {
				return end - 1, nil
			}
		}
		if !mayPass(err) {
			return 0, err
		}
		if err := sleep(ctx, fetchBackOff, nil); err != nil {
			return 0, err
		}
	}
}

// The timestamps that stand for a place in ListOffsets.
const (
	timeLatest   = -1
	timeEarliest = -2
)

// offsetOf asks a leader where the partition begins or ends.
func (f *feed) offsetOf(ctx context.Context, l leadership, timestamp int64) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, f.isolation
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = f.at.partition, timestamp, l.epoch
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic, rt.Partitions = f.at.topic, []kmsg.ListOffsetsRequestTopicPartition{rp}
	req.Topics = []kmsg.ListOffsetsRequestTopic{rt}
	resp, err := f.own.cl.Broker(int(l.broker)).Request(ctx, req)
	if err != nil {
		return 0, err
	}
	got := resp.(*kmsg.ListOffsetsResponse)
	if len(got.Topics) != 1 || len(got.Topics[0].Partitions) != 1 {
		return 0, errNoPartition
	}
	p := &got.Topics[0].Partitions[0]
	return p.Offset, errorOf(p.ErrorCode)
}

// deliver takes the answer apart and hands it on.
func (f *feed) deliver(p *kmsg.FetchResponseTopicPartition, take consumeFunc) error {
	var batches []record.Batch
	bytes := 0
	next, raw, dropped := f.next, p.RecordBatches, newAborted(p.AbortedTransactions)
	for len(raw) > 0 {
		b, size, err := record.View(raw)
		if err != nil {
			if size == 0 || size > len(raw) {
				break // the last one is cut, as Kafka may
			}
			return fmt.Errorf("batch behind offset %d: %w", next.offset-1, err)
		}
		raw = raw[size:]
		if int64(b.LastOffset()) < next.offset {
			dropped.drops(b)
			continue
		}
		next = position{int64(b.NextOffset()), int32(b.LeaderEpoch())}
		if dropped.drops(b) {
			continue
		}
		batches, bytes = append(batches, b), bytes+size
	}
	if next == f.next {
		return nil
	}
	if len(batches) > 0 {
		f.size = bytes / len(batches)
	}
	var err error
	f.next, err = take(batches, next)
	return err
}

// records are those of batches from next on.
func (f *feed) records(batches []record.Batch) (records []*kgo.Record, err error) {
	for _, b := range batches {
		if records, err = f.recordsOf(records, b); err != nil {
			return nil, fmt.Errorf("batch at offset %d: %w", b.BaseOffset(), err)
		}
	}
	return records, nil
}

// recordsOf appends those of one batch.
func (f *feed) recordsOf(dst []*kgo.Record, b record.Batch) ([]*kgo.Record, error) {
	if b.Control() || b.Count() == 0 {
		return dst, nil
	}
	recs, err := b.Open(record.Limits{})
	if err != nil {
		return dst, err
	}
	defer recs.Release()
	for w := recs.Walk(); w.Next(); {
		if offset := int64(b.BaseOffset()) + int64(w.OffsetDelta); offset >= f.next.offset {
			dst = append(dst, f.record(b, &w, offset))
		}
	}
	return dst, nil
}

// record copies a record: apply may keep it.
func (f *feed) record(b record.Batch, w *record.Walker, offset int64) *kgo.Record {
	ms := b.FirstTimestamp() + w.TimestampDelta
	if b.LogAppendTime() {
		ms = b.MaxTimestamp()
	}
	r := &kgo.Record{
		Key: slices.Clone(w.Key), Value: slices.Clone(w.Value), Timestamp: time.UnixMilli(ms),
		Topic: f.at.topic, Partition: f.at.partition, Offset: offset,
		LeaderEpoch: int32(b.LeaderEpoch()), ProducerID: int64(b.ProducerID()), ProducerEpoch: int16(b.ProducerEpoch()),
	}
	for headers := w.Headers(); ; {
		key, val, ok := headers.Next()
		if !ok {
			return r
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(key), Value: slices.Clone(val)})
	}
}
