package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// session is a broker's standing with the metadata store.
type session struct {
	image       brokerImage
	epoch       protocol.BrokerEpoch // 0: not registered
	lease       store.LeaseID
	registering bool
	renewing    bool
	renewedAt   int64
	electing    bool
	leaving     bool
}

// request sends a request to the store; then is called once, with what the store
// answered or, if that is not known in time, with ok false.
func (b *broker) request(do func(*store.Memory) any, then func(answer any, ok bool)) {
	answered := false
	once := func(answer any, ok bool) {
		if !answered {
			answered = true
			then(answer, ok)
		}
	}
	incarnation := b.incarnation
	b.w.net.send(int(b.id), storeNode, func() {
		if b.w.storeDown {
			return
		}
		answer := do(b.w.store)
		b.w.net.send(storeNode, int(b.id), func() {
			if b.incarnation == incarnation {
				once(answer, true)
			}
		})
	})
	b.after(requestTimeout, func() { once(nil, false) })
}

// register begins a broker epoch. One that goes on from a session that lapsed, or from
// a clean shutdown, says so.
func (b *broker) register() {
	s := &b.session
	if s.registering || s.leaving {
		return
	}
	s.registering = true
	r := registration{Before: b.disk.cleanShutdown, Lost: b.disk.replacement}
	if s.epoch != 0 {
		r.Before = s.epoch
		b.w.mark(true, "lease lapsed")
	}
	type registered struct {
		lease store.LeaseID
		rev   int64
	}
	b.request(func(meta *store.Memory) any {
		ctx := context.Background()
		kv, _, _ := meta.Get(ctx, brokerKey(b.id))
		if kv.Lease != 0 {
			meta.RevokeLease(ctx, kv.Lease)
		}
		lease, _ := meta.GrantLease(ctx, leaseTTL*time.Microsecond)
		_, rev, _ := meta.Txn(ctx, nil, []store.Op{store.PutLeased(brokerKey(b.id), encode(r), lease)})
		return registered{lease, rev}
	}, func(answer any, ok bool) {
		s.registering = false
		if !ok {
			b.after(20*ms, b.register)
			return
		}
		s.lease, s.epoch, s.renewedAt = answer.(registered).lease, protocol.BrokerEpoch(answer.(registered).rev), b.w.now
		b.beginEpoch()
	})
}

// renewLease renews the lease in good time.
func (b *broker) renewLease() {
	s := &b.session
	if s.epoch == 0 || s.renewing || s.registering || b.w.now-s.renewedAt < leaseTTL/4 {
		return
	}
	s.renewing = true
	lease := s.lease
	b.request(func(meta *store.Memory) any { return meta.KeepAlive(context.Background(), lease) },
		func(answer any, ok bool) {
			s.renewing = false
			err, _ := answer.(error)
			switch {
			case !ok:
			case errors.Is(err, store.ErrLeaseNotFound):
				b.register()
			default:
				s.renewedAt = b.w.now
			}
		})
}

// watch keeps the image, which lags behind the store.
func (b *broker) watch() {
	from := b.session.image.rev
	b.request(func(meta *store.Memory) any {
		if from > 0 {
			return meta.Since("", from+1)
		}
		all, rev, _ := meta.List(context.Background(), "")
		u := store.Update{Revision: rev}
		for _, kv := range all {
			u.Events = append(u.Events, store.Event{KV: kv})
		}
		return u
	}, func(answer any, ok bool) {
		if ok && b.session.image.rev == from {
			b.applyUpdate(answer.(store.Update))
		}
		b.after(2*ms+b.w.rng.Int64N(b.w.o.WatchDelay), b.watch)
	})
}

func (b *broker) applyUpdate(u store.Update) {
	im := &b.session.image
	if u.Err != nil || u.Revision <= im.rev {
		return
	}
	for _, e := range u.Events {
		im.fold(e)
		if b.w.logf != nil {
			b.w.trace("%d: sees %s = %s at %d", b.id, e.KV.Key, e.KV.Value, e.KV.ModRevision)
		}
	}
	im.rev = u.Revision
	b.applyMetadata()
	b.control()
}

// applyMetadata tells the core what the image shows, once the image shows this broker epoch.
func (b *broker) applyMetadata() {
	im := &b.session.image
	if b.core() == nil || im.rev < int64(b.session.epoch) || im.modRev == 0 {
		return
	}
	s := im.partition.PartitionState
	s.ISR = slices.Clone(s.ISR)
	for i, m := range s.ISR {
		if m.ID == b.id && m.BrokerEpoch == b.session.epoch {
			b.disk.replacement = false
		}
		if m.ID == b.id && b.w.bugs.IgnoreBrokerEpochs {
			s.ISR[i].BrokerEpoch = b.session.epoch
		}
	}
	b.note(replica.Metadata{State: s})
}

// alterISR is the compare-and-swap that a leader asks for.
func (b *broker) alterISR(change protocol.ISRChange) {
	if b.w.bugs.ShrinkBeforeStore && len(change.Added) == 0 {
		b.note(replica.ISRAnswered{Change: change, Done: true})
	}
	core := b.core()
	b.request(func(meta *store.Memory) any {
		now, rev := partitionNow(meta)
		if now.LeaderEpoch != change.LeaderEpoch || now.PartitionEpoch != change.PartitionEpoch {
			return false
		}
		b.w.mark(len(change.ISR) < len(now.ISR), "isr: shrunk")
		var also []store.Compare
		for _, m := range change.Added {
			also = append(also, store.Compare{Key: brokerKey(m.ID), ModRevision: int64(m.BrokerEpoch)})
		}
		now.ISR = change.ISR
		ok := put(meta, now, rev, also...)
		b.w.mark(ok && len(change.Added) > 0, "isr: grown")
		return ok
	}, func(answer any, ok bool) {
		b.w.mark(!ok, "isr: change lost")
		done, _ := answer.(bool)
		b.w.mark(ok && !done, "isr: change refused")
		if b.core() == core {
			b.note(replica.ISRAnswered{Change: change, Done: done})
		}
	})
}

func (b *broker) resign() {
	epoch := b.session.epoch
	b.request(func(meta *store.Memory) any {
		now, rev := partitionNow(meta)
		next, changed := plan.Resign(now, b.id, epoch)
		return changed && put(meta, next, rev)
	}, func(any, bool) {})
}

// control is the controller's part: one broker holds the key at a time, and a
// broker that only believes that it does is stopped by the compare-and-swap.
func (b *broker) control() {
	s := &b.session
	im := &s.image
	if s.epoch == 0 || s.electing || im.rev < int64(s.epoch) || s.leaving {
		return
	}
	switch im.controller {
	case protocol.NoBroker:
		b.elect(func(meta *store.Memory) bool {
			ok, _, err := meta.Txn(context.Background(), []store.Compare{store.Absent(keyController)},
				[]store.Op{store.PutLeased(keyController, encode(b.id), s.lease)})
			return ok && err == nil
		})
	case b.id:
		next, changed := b.decide()
		if !changed {
			return
		}
		was, modRev, alive := im.partition, im.modRev, im.unchanged(next.ISR)
		b.elect(func(meta *store.Memory) bool {
			ok := put(meta, next, modRev, alive...)
			b.w.mark(!ok, "store: election lost the race")
			b.w.mark(ok && len(was.ISR) == 1 && next.Leader == was.ISR[0].ID && next.ISR[0] != was.ISR[0], "last in-sync replica restarted and leads")
			return ok
		})
	}
}

// elect makes one change at a time.
func (b *broker) elect(change func(*store.Memory) bool) {
	b.session.electing = true
	b.request(func(meta *store.Memory) any { return change(meta) },
		func(any, bool) { b.session.electing = false })
}

func (b *broker) decide() (image.Partition, bool) {
	im := &b.session.image
	brokers := im.liveBrokers()
	if b.w.bugs.IgnoreBrokerEpochs {
		for _, m := range im.partition.ISR {
			if other, ok := brokers[m.ID]; ok && m.BrokerEpoch > 0 {
				other.Epoch = m.BrokerEpoch
				brokers[m.ID] = other
			}
		}
	}
	next, changed := plan.Elect(im.partition, brokers, plan.ElectionRules{SyncedAcks: true, MinInsync: b.w.o.MinInsync, Preferred: b.w.preferred})
	if b.w.bugs.UncleanElection && next.Leader == protocol.NoBroker {
		for _, id := range im.partition.Replicas {
			if other, ok := brokers[id]; ok {
				next.Leader, next.ISR = id, protocol.Members{{ID: id, BrokerEpoch: other.Epoch}}
				next.LeaderEpoch = im.partition.LeaderEpoch + 1
				return next, true
			}
		}
	}
	return next, changed
}

// shutdown is a clean one: leadership first, then the log, then the process.
func (b *broker) shutdown() {
	s := &b.session
	if !b.up || b.paused || s.epoch == 0 || s.leaving {
		return
	}
	s.leaving = true
	b.request(func(meta *store.Memory) any {
		_, _, err := meta.Txn(context.Background(), nil, []store.Op{store.PutLeased(leavingKey(b.id), nil, s.lease)})
		return err
	}, func(any, bool) {
		b.after(100*ms, func() {
			b.mailbox.closed = true
			b.task(replica.Stop{})
			b.task(replica.Checkpoint{Call: &replica.Call{Return: b.halt}})
		})
	})
}

// halt ends a process whose folds are saved.
func (b *broker) halt() {
	s := &b.session
	b.w.mark(true, "shutdown: clean")
	b.disk.synced = len(b.disk.batches)
	if b.machine.Failed() == nil {
		b.disk.cleanShutdown = s.epoch
	}
	lease := s.lease
	b.w.net.send(int(b.id), storeNode, func() { b.w.store.RevokeLease(context.Background(), lease) })
	b.stop()
}
