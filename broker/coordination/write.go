package coordination

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// Apply appends what a command wrote, and sends the replies that it completed
// when all that they rest on is committed.
func (sh *Shard[S]) Apply(fx Effects) {
	if sh.gone != nil {
		return
	}
	for _, w := range fx.Writes {
		sh.propose(w)
	}
	for _, r := range fx.Decided {
		sh.reply(r, nil)
	}
	if fx.Committed != nil {
		sh.whenCommitted(fx.Committed)
	}
	if len(fx.Replies) > 0 {
		sh.After(func(err error) {
			for _, r := range fx.Replies {
				sh.reply(r, err)
			}
		})
	}
}

// whenCommitted calls f when all writes so far are committed, however late.
func (sh *Shard[S]) whenCommitted(f func()) {
	if sh.proposed == sh.committed {
		f()
		return
	}
	sh.onCommit = append(sh.onCommit, waiter{write: sh.proposed, f: func(error) { f() }})
}

// After calls f, in the loop, when all writes so far are committed, or with the
// reason why that is not known.
func (sh *Shard[S]) After(f func(error)) {
	switch {
	case sh.gone != nil:
		f(sh.gone)
	case sh.proposed == sh.committed:
		f(nil)
	default:
		sh.waiting = append(sh.waiting, waiter{sh.proposed, sh.r.NowMs() + sh.r.o.CommitTimeout.Milliseconds(), f})
	}
}

// propose appends one batch, in the shard's leader epoch alone: in another, the
// log may have what the machine does not know. Its timestamp is the wall clock's.
func (sh *Shard[S]) propose(w Write) {
	sh.proposed++
	q := &proposal[S]{sh: sh, number: sh.proposed}
	var err error
	if q.Batch, err = build(w, time.Now().UnixMilli()); err == nil && !sh.leads() {
		err = replica.ErrNotLeader
	}
	if err != nil {
		q.Result.Err = err
		q.Completed(&q.Proposal)
		return
	}
	q.Acks, q.OnlyIn, q.Done = replica.AcksAll, &sh.Epoch, q
	sh.Partition.Propose(&q.Proposal)
}

func build(w Write, nowMs int64) (record.Batch, error) {
	b := record.NewBuilder(record.CodecNone)
	if by := w.By; by != nil {
		b.Producer(by.ProducerID, by.ProducerEpoch, -1)
		if by.Transactional {
			b.Transactional()
		}
		if by.Control {
			b.Control()
		}
	}
	for _, r := range w.Records {
		b.Add(record.Record{Timestamp: nowMs, Key: r.Key, Value: r.Value})
	}
	raw, err := b.Build()
	if err != nil {
		return record.Batch{}, err
	}
	batch, _, err := record.View(raw)
	return batch, err
}

// proposal is a batch on its way into the partition.
type proposal[S Machine] struct {
	replica.Proposal
	sh     *Shard[S]
	number int64
}

// Completed is called by the partition's loop, in the order of the proposals.
func (q *proposal[S]) Completed(p *replica.Proposal) {
	err := p.Result.Err
	q.sh.r.post(func() { q.sh.finish(q.number, err) })
}

// finish notes that a write is committed, or that it is not and the machine is
// ahead of the log.
func (sh *Shard[S]) finish(number int64, err error) {
	sh.finished++
	switch {
	case sh.gone != nil:
		sh.ended()
	case err != nil:
		sh.r.o.Logger.Warn(sh.r.o.Name+" are loaded again: a write of theirs failed", "partition", sh.index, "error", err)
		sh.drop(whyDropped(err))
		sh.r.follow()
	default:
		sh.committed = number
		committed := func(w *waiter) bool { return w.write <= number }
		complete(&sh.onCommit, committed, nil)
		complete(&sh.waiting, committed, nil)
	}
}

// ended lets a dropped shard's partition be loaded again, when none of its writes
// can come into the log behind that load's back any more.
func (sh *Shard[S]) ended() {
	if sh.finished == sh.proposed && sh.marking == 0 && sh.r.ending[sh.index] == sh {
		delete(sh.r.ending, sh.index)
		sh.r.follow()
	}
}

// complete answers the first of some waiters, as long as they are ready.
func complete(waiting *[]waiter, ready func(*waiter) bool, err error) {
	n := 0
	for n < len(*waiting) && ready(&(*waiting)[n]) {
		n++
	}
	answered := (*waiting)[:n:n]
	*waiting = (*waiting)[n:]
	for _, w := range answered {
		w.f(err)
	}
}

// Park keeps a call until a Reply of the machine answers it, or the shard is
// dropped. answer is called once, in the loop.
func (sh *Shard[S]) Park(answer func(response any, err error)) CallID {
	sh.r.calls++
	call := sh.r.calls
	if sh.gone != nil {
		answer(nil, sh.gone)
		return call
	}
	sh.parked[call] = answer
	return call
}

// Abandon forgets a parked call, from any goroutine: instead of its answer, f is
// called in the loop, if it has not been answered.
func (sh *Shard[S]) Abandon(call CallID, f func()) {
	sh.r.post(func() {
		if sh.parked[call] != nil {
			delete(sh.parked, call)
			f()
		}
	})
}

// Forget forgets a parked call, in the loop: whoever parked it answers it himself.
func (sh *Shard[S]) Forget(call CallID) { delete(sh.parked, call) }

func (sh *Shard[S]) reply(r Reply, err error) {
	if answer := sh.parked[r.Call]; answer != nil {
		delete(sh.parked, r.Call)
		answer(r.Response, err)
	}
}

// WriteMarker ends a transaction in the partition's log, behind all writes so far. done
// is called in the loop when the marker is committed; ended is whether it has ended
// anything: the machine is to take that in then. A repeat ends nothing.
func (sh *Shard[S]) WriteMarker(m replica.Marker, timeoutMs int64, done func(ended bool, err error)) {
	sh.After(func(err error) {
		if err != nil {
			done(false, err)
			return
		}
		_, before, _ := sh.Partition.OpenTransaction(m.Producer)
		sh.marking++
		sh.Partition.WriteMarker(m, timeoutMs, func(err error) {
			if !sh.r.post(func() { sh.markerWritten(m.Producer, before, err, done) }) {
				done(false, kerr.CoordinatorNotAvailable)
			}
		})
	})
}

// markerWritten tells of a marker. One that was written in another leadership than the
// shard's is for its successor to know of: it is sent again.
func (sh *Shard[S]) markerWritten(id protocol.ProducerID, before protocol.Offset, err error, done func(bool, error)) {
	sh.marking--
	switch {
	case sh.gone != nil:
		sh.ended()
		done(false, sh.gone)
	case err == nil && !sh.leads():
		done(false, kerr.NotCoordinator)
	default:
		_, first, open := sh.Partition.OpenTransaction(id)
		done(!open || first != before, err)
	}
}
