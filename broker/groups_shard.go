package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

const (
	// loadPatienceMs is how long requests wait for a shard that loads; after that
	// their clients are told to come again.
	loadPatienceMs = 1000
	loadWaitersMax = 1000
)

// shard is the coordinator of one partition of the offsets topic. It lives for
// one leadership: when that ends, or a write fails, it is dropped with all that
// waits, and the next one folds the log anew. The loop of groups owns it.
type shard struct {
	g     *groups
	index int32
	leadership
	groups *group.Coordinator // nil while loading
	gone   bool
	cancel context.CancelFunc // of the load
	failed error              // why it would not load

	loading  []func(error) // what waits for the load
	patience int64         // until when it waits

	proposed, committed int64 // writes, counted
	waiting             []waiter
	parked              map[group.CallID]parked
}

// leadership is what a shard lives for.
type leadership struct {
	host  *partitions.Partition
	epoch protocol.LeaderEpoch
}

// waiter is told when a write is committed, or why it will not be.
type waiter struct {
	write int64
	until int64 // in ms; later, it is told that it is not known yet
	f     func(error)
}

// parked is a JoinGroup or SyncGroup whose answer others must bring about.
type parked struct {
	x      *exchange
	answer func(response any, err error) kmsg.Response
}

// newShard begins to load a partition.
func newShard(g *groups, index int32, l leadership) *shard {
	ctx, cancel := context.WithCancel(g.ctx)
	sh := &shard{
		g: g, index: index, leadership: l, parked: make(map[group.CallID]parked),
		patience: g.nowMs() + loadPatienceMs, cancel: cancel,
	}
	g.loads.Go(func() {
		c, err := sh.load(ctx)
		g.post(func() { sh.loaded(c, err) })
	})
	return sh
}

// errDeposed is a leadership that is over.
var errDeposed = errors.New("this broker leads the partition no more, or in another epoch")

// load folds the log as far as the leadership began with, once that is
// committed: what an earlier leader acknowledged is then all there, and nothing
// that may be taken back. It waits until writes are possible too: a state that
// they would leave behind at once is not worth the reading.
func (sh *shard) load(ctx context.Context) (*group.Coordinator, error) {
	if err := sh.await(ctx, func() bool { return sh.leads() && sh.enough() }); err != nil {
		return nil, err
	}
	end := sh.host.End()
	if err := sh.await(ctx, func() bool { return sh.host.HighWatermark() >= end }); err != nil {
		return nil, err
	}
	select {
	case sh.g.slots <- struct{}{}:
		defer func() { <-sh.g.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c := group.New(sh.g.srv.cfg.Groups.rules(), memberUUID)
	limits := record.Limits{DecompressedBytesMax: sh.g.srv.cfg.DecompressedMax}
	err := sh.host.Log().Scan(sh.host.Start(), end, func(b record.Batch) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return replayBatch(c, b, limits)
	})
	return c, err
}

// leads reports whether the replica has taken up this leadership. The metadata
// shows it first.
func (sh *shard) leads() bool {
	st := sh.host.State()
	return st.Role == replica.RoleLeader && st.Epoch == sh.epoch
}

// enough reports whether as many replicas are in sync as a write asks for.
func (sh *shard) enough() bool {
	st, least := sh.host.State(), 1
	if t := sh.g.srv.hosted.Topic(offsetsTopic); t != nil {
		least = min(int(t.Settings.MinInsyncReplicas), len(st.Replicas))
	}
	return len(st.ISR) >= least
}

// await returns when good, or when the leadership is over.
func (sh *shard) await(ctx context.Context, good func() bool) error {
	moved := replica.NewWatcher()
	sh.host.Watch(moved)
	defer sh.host.Unwatch(moved)
	for !good() {
		if st := sh.host.State(); st.Epoch > sh.epoch || st.Err != nil {
			return errDeposed
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved.C:
		}
	}
	return nil
}

func replayBatch(c *group.Coordinator, b record.Batch, limits record.Limits) error {
	if b.Control() {
		return nil
	}
	recs, err := b.Open(limits)
	if err != nil {
		return err
	}
	defer recs.Release()
	w := recs.Walk()
	for w.Next() {
		if err := c.Replay(w.Key, w.Value); err != nil {
			return fmt.Errorf("offset %d: %w", b.BaseOffset()+protocol.Offset(w.OffsetDelta), err)
		}
	}
	return nil
}

// loaded takes the groups into service.
func (sh *shard) loaded(c *group.Coordinator, err error) {
	if sh.gone {
		return
	}
	if err != nil {
		// It stays in its place and refuses: to start with what could be read would forget offsets.
		if !errors.Is(err, context.Canceled) && !errors.Is(err, errDeposed) {
			sh.g.srv.log.Error("consumer groups are not served: their log cannot be read", "partition", sh.index, "error", err)
		}
		sh.failed = kerr.CoordinatorNotAvailable
		sh.release(sh.failed)
		return
	}
	sh.groups = c
	c.SetTopics(imageTopics{sh.g.srv.cluster.Image()})
	c.SetOwn(sh.g.nowMs(), sh.g.own)
	c.Start(sh.g.nowMs())
	sh.release(nil)
}

// release lets go of what waited for the load.
func (sh *shard) release(err error) {
	waiting := sh.loading
	sh.loading, sh.patience = nil, 0
	for _, f := range waiting {
		f(err)
	}
}

// whenLoaded runs f when the shard is loaded, or with the reason why not yet.
func (sh *shard) whenLoaded(f func(error)) {
	if sh.g.nowMs() >= sh.patience || len(sh.loading) >= loadWaitersMax {
		f(kerr.CoordinatorLoadInProgress)
		return
	}
	sh.loading = append(sh.loading, f)
}

func (sh *shard) deadline() (due int64, ok bool) {
	if sh.groups == nil {
		return sh.patience, len(sh.loading) > 0
	}
	due, ok = sh.groups.NextDeadline()
	if len(sh.waiting) > 0 && (!ok || sh.waiting[0].until < due) {
		return sh.waiting[0].until, true
	}
	return due, ok
}

func (sh *shard) tick(now int64) {
	if sh.groups == nil {
		sh.release(kerr.CoordinatorLoadInProgress)
		return
	}
	sh.complete(func(w *waiter) bool { return w.until <= now }, kerr.CoordinatorNotAvailable)
	sh.apply(sh.groups.Tick(now))
}

// complete tells the first waiters that are ripe.
func (sh *shard) complete(ripe func(*waiter) bool, err error) {
	n := 0
	for n < len(sh.waiting) && ripe(&sh.waiting[n]) {
		n++
	}
	ready := sh.waiting[:n:n]
	sh.waiting = sh.waiting[n:]
	for _, w := range ready {
		w.f(err)
	}
}

// apply appends what a command wrote, and sends the replies that it completed
// when all that they rest on is committed.
func (sh *shard) apply(fx group.Effects) {
	if len(fx.Records) > 0 {
		sh.propose(fx.Records)
	}
	if len(fx.Replies) > 0 {
		sh.after(func(err error) {
			for _, r := range fx.Replies {
				sh.answer(r.Call, r.Response, err)
			}
		})
	}
}

// after calls f when all writes so far are committed.
func (sh *shard) after(f func(error)) {
	if sh.proposed == sh.committed {
		f(nil)
		return
	}
	until := sh.g.nowMs() + sh.g.srv.cfg.Groups.CommitTimeout.Milliseconds()
	sh.waiting = append(sh.waiting, waiter{sh.proposed, until, f})
}

// propose appends records as one batch.
func (sh *shard) propose(records []group.Record) {
	now := nowMs()
	b := record.NewBuilder(record.CodecNone)
	for _, r := range records {
		b.Add(record.Record{Timestamp: now, Key: r.Key, Value: r.Value})
	}
	sh.proposed++
	w := &groupWrite{sh: sh, number: sh.proposed}
	raw, err := b.Build()
	if err == nil {
		w.Batch, err = record.Parse(raw, record.Limits{})
	}
	if err != nil {
		w.Result.Err = err
		w.Completed(&w.Proposal)
		return
	}
	if !sh.leads() {
		w.Result.Err = replica.ErrNotLeader // the state is of an epoch that is over
		w.Completed(&w.Proposal)
		return
	}
	w.Acks, w.Done = replica.AcksAll, w
	sh.host.Propose(&w.Proposal)
}

// groupWrite is a batch on its way into the offsets topic.
type groupWrite struct {
	replica.Proposal
	sh     *shard
	number int64
}

// Completed is called by the partition's loop, in the order of the proposals.
func (w *groupWrite) Completed(q *replica.Proposal) {
	err := q.Result.Err
	w.sh.g.post(func() { w.sh.wrote(w.number, err) })
}

// wrote notes that a write is committed, or that it is not and the state is
// ahead of the log.
func (sh *shard) wrote(number int64, err error) {
	if sh.gone {
		return
	}
	if err != nil {
		sh.g.srv.log.Warn("consumer groups are loaded again: a write of theirs failed", "partition", sh.index, "error", err)
		sh.drop(whyUncoordinated(err))
		sh.g.follow()
		return
	}
	sh.committed = number
	sh.complete(func(w *waiter) bool { return w.write <= number }, nil)
}

// whyUncoordinated is what clients are told about a failed write: to look for
// the coordinator elsewhere, or to come again.
func whyUncoordinated(err error) error {
	if errors.Is(err, replica.ErrNotLeader) {
		return kerr.NotCoordinator
	}
	return kerr.CoordinatorNotAvailable
}

// drop ends the shard and answers all that waits.
func (sh *shard) drop(err error) {
	sh.gone = true
	sh.cancel()
	delete(sh.g.shards, sh.index)
	waiting, calls := sh.waiting, sh.parked
	sh.waiting, sh.parked, sh.groups = nil, nil, nil
	sh.release(err)
	for _, w := range waiting {
		w.f(err)
	}
	for _, p := range calls {
		p.x.finish(message{p.answer(nil, err)})
	}
}

// park keeps an exchange until the group has an answer for it, or its client
// has left.
func (sh *shard) park(x *exchange, answer func(response any, err error) kmsg.Response) group.CallID {
	sh.g.calls++
	id := sh.g.calls
	sh.parked[id] = parked{x, answer}
	x.whenLeft(func() { sh.g.post(func() { sh.abandon(id) }) })
	return id
}

func (sh *shard) answer(id group.CallID, response any, err error) {
	if p, ok := sh.parked[id]; ok {
		delete(sh.parked, id)
		p.x.finish(message{p.answer(response, err)})
	}
}

// abandon lets a connection go whose client has left. The member stays until
// its session ends.
func (sh *shard) abandon(id group.CallID) {
	if p, ok := sh.parked[id]; ok {
		delete(sh.parked, id)
		p.x.hangUp = true
		p.x.finish(nil)
	}
}

// memberUUID is a random UUID, as the end of member ids is in Kafka.
func memberUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
