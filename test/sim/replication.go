package sim

import (
	"errors"
	"slices"

	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// sendFetch takes a follower's fetch to the leader that it knows.
func (b *broker) sendFetch(f replica.Fetch) {
	asked := f
	if b.w.bugs.TruncateToHighWatermark {
		f.LastEpoch = -1
	}
	core, leader := b.core(), b.w.brokers[b.core().Leader()-1]
	b.w.net.send(int(b.id), int(leader.id), func() {
		leader.onFetch(f, func(a replica.FetchAnswer, batches []record.Batch) {
			b.w.net.send(int(leader.id), int(b.id), func() {
				if b.core() == core {
					a.Fetch = asked
					b.note(replica.LeaderAnswer{Answer: b.planted.answer(a), Batches: b.w.sent(batches)})
				}
			})
		})
	})
}

// sent is a copy of the bytes that a network carries.
func (w *World) sent(batches []record.Batch) (bytes []byte) {
	for _, batch := range batches {
		own := slices.Clone(batch.Bytes())
		if w.bugs.IgnoreCRC {
			reseal(own)
		}
		bytes = append(bytes, own...)
	}
	return bytes
}

// onFetch answers at once if there is something to say.
func (b *broker) onFetch(f replica.Fetch, reply func(replica.FetchAnswer, []record.Batch)) {
	if b.core() == nil {
		return
	}
	b.note(replica.FollowerFetch{Fetch: b.planted.fetch(f), Done: func(a replica.FetchAnswer) {
		b.fetched(parked{a.Fetch, reply}, a)
	}})
}

func (b *broker) fetched(p parked, a replica.FetchAnswer) {
	b.w.mark(errors.Is(a.Err, replica.ErrFencedEpoch), "fetch: fenced")
	b.w.mark(errors.Is(a.Err, replica.ErrUnknownEpoch), "fetch: epoch unknown")
	b.w.mark(errors.Is(a.Err, replica.ErrNotReplica), "fetch: earlier broker epoch")
	if a.Err != nil || a.Diverging {
		p.reply(a, nil)
		return
	}
	if p.f.Offset < b.disk.End() {
		b.serve(p)
		return
	}
	// One waits for each follower: a newer fetch takes the older one's place.
	b.parked = slices.DeleteFunc(b.parked, func(old parked) bool { return old.f.From.ID == p.f.From.ID })
	b.parked = append(b.parked, p)
	b.after(parkedMax, func() { b.unpark(p.f) })
}

// serve answers with what there is now.
func (b *broker) serve(p parked) {
	a := b.core().Answer(p.f)
	if a.Err != nil || a.Diverging {
		p.reply(a, nil)
		return
	}
	batches := b.disk.read(p.f.Offset, b.disk.End(), 1+b.w.rng.IntN(batchesPerRead))
	if !b.w.bugs.IgnoreCRC && !intact(batches) {
		b.reportDamage()
		return
	}
	p.reply(a, batches)
}

// moved answers what waits for more to read, or for a higher watermark.
func (b *broker) moved() {
	all := b.parked
	b.parked = nil
	for _, p := range all {
		if b.core() != nil {
			b.serve(p)
		}
	}
}

func (b *broker) unpark(f replica.Fetch) {
	for i, p := range b.parked {
		if p.f == f && b.core() != nil {
			b.parked = append(b.parked[:i:i], b.parked[i+1:]...)
			b.serve(p)
			return
		}
	}
}
