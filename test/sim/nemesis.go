package sim

import (
	"context"

	"github.com/lockstep-log/lockstep/protocol"
)

// fault is one kind of failure, and its share among all.
type fault struct {
	weight int
	apply  func(w *World)
}

var faults = []fault{
	{10, func(w *World) { w.randomBroker().crash() }},
	{14, func(w *World) { w.randomBroker().start() }},
	{5, func(w *World) { b := w.randomBroker(); b.crash(); b.start() }},
	{5, func(w *World) { w.currentLeader().crash() }},
	{3, func(w *World) { b := w.currentLeader(); b.crash(); b.start() }},
	{4, func(w *World) { w.randomBroker().shutdown() }},
	{6, func(w *World) { w.randomBroker().pause() }},
	{3, func(w *World) { w.currentLeader().pause() }},
	{12, func(w *World) { w.randomBroker().resume() }},
	{14, func(w *World) { clear(w.net.cut) }},
	{4, func(w *World) { w.net.isolate(int(w.randomBroker().id), w.allNodes(), true, true) }},
	{4, func(w *World) { w.net.isolate(int(w.currentLeader().id), w.allNodes(), true, true) }},
	{4, func(w *World) { w.net.isolate(int(w.randomBroker().id), w.allNodes(), w.chance(0.5), w.chance(0.5)) }},
	{4, func(w *World) { w.net.isolate(int(w.randomBroker().id), []int{storeNode}, true, w.chance(0.5)) }},
	{5, func(w *World) { w.net.isolate(int(w.currentLeader().id), []int{storeNode}, true, true) }},
	{5, func(w *World) { w.net.isolate(int(w.currentLeader().id), w.someBrokers(), true, true) }},
	{3, func(w *World) { w.net.isolate(int(w.randomBroker().id), w.someBrokers(), w.chance(0.5), true) }},
	{3, func(w *World) { b := w.randomBroker(); b.slowDisk = !b.slowDisk }},
	{3, func(w *World) { w.randomBroker().skew += w.rng.Int64N(2000 * ms) }},
	{2, func(w *World) { w.storeDown = !w.storeDown }},
	{3, func(w *World) { w.preferred = !w.preferred }},
	{2, (*World).powerCut},
	{5, func(w *World) { w.moveLeadership(1 + w.rng.IntN(4)) }},
	{4, (*World).bitFlip},
}

var faultWeights = func() (sum int) {
	for _, f := range faults {
		sum += f.weight
	}
	return sum
}()

// injectFaults injects one fault after the other until it is time to heal.
func (w *World) injectFaults() {
	if w.closing || w.healed {
		return
	}
	w.after(1+w.rng.Int64N(2*w.o.FaultEvery), w.injectFaults)
	n := w.rng.IntN(faultWeights)
	for _, f := range faults {
		if n -= f.weight; n < 0 {
			f.apply(w)
			return
		}
	}
}

func (w *World) randomBroker() *broker { return w.brokers[w.rng.IntN(len(w.brokers))] }

// leads is the broker that leads by the store, or any.
func (w *World) currentLeader() *broker {
	if now, _ := partitionNow(w.store); now.Leader > 0 {
		return w.brokers[now.Leader-1]
	}
	return w.randomBroker()
}

// others are all nodes.
func (w *World) allNodes() (nodes []int) {
	for n := range 1 + len(w.brokers) + len(w.clients) {
		nodes = append(nodes, n)
	}
	return nodes
}

func (w *World) someBrokers() (nodes []int) {
	for n := range w.brokers {
		if w.chance(0.6) {
			nodes = append(nodes, n+1)
		}
	}
	return nodes
}

func (w *World) powerCut() {
	for _, b := range w.brokers {
		b.crash()
	}
	w.mark(true, "power cut of all brokers")
	for _, b := range w.brokers {
		if w.chance(0.7) {
			w.after(1+w.rng.Int64N(200*ms), b.start)
		}
	}
}

// moveLeadership moves the leadership about, as an operator may at any time, to a member
// of the ISR.
func (w *World) moveLeadership(times int) {
	if times == 0 || w.healed {
		return
	}
	w.after(1+w.rng.Int64N(200*ms), func() { w.moveLeadership(times - 1) })
	now, rev := partitionNow(w.store)
	if now.Leader == protocol.NoBroker {
		return
	}
	at := w.rng.IntN(len(now.ISR))
	next := now.ISR[at]
	kv, _, _ := w.store.Get(context.Background(), brokerKey(next.ID))
	if next.ID != now.Leader && kv.ModRevision == int64(next.BrokerEpoch) {
		now.Leader = next.ID
		now.LeaderEpoch++
		put(w.store, now, rev)
		w.mark(true, "leadership moved by hand")
	}
}

// bitFlip damages a batch on the one disk of the run that goes bad.
func (w *World) bitFlip() {
	if !w.o.BitFlips || w.flip.of != nil {
		return
	}
	b := w.randomBroker()
	if b.disk.synced == 0 {
		return
	}
	i := max(0, b.disk.synced-1-w.rng.IntN(8)) // what is new is likely to be read
	w.flip = flip{of: b, at: i, was: b.disk.batches[i]}
	b.disk.flip(i, w.rng.IntN(1<<20))
}

// replaceDisk is what an operator does with a disk whose log is refused: it
// goes, unless no other replica has what it has; then it is mended.
func (w *World) replaceDisk(b *broker) {
	now, _ := partitionNow(w.store)
	for _, m := range now.ISR {
		if other := w.brokers[m.ID-1]; other != b && !other.disk.replacement {
			_, rev, _ := w.store.Get(context.Background(), keyPartition)
			old := *b.disk
			b.replacedDisk = &old
			*b.disk = disk{replacement: true, replacedAt: rev}
			w.checker.rebuilt = true
			w.mark(true, "disk replaced")
			return
		}
	}
	b.disk.batches[w.flip.at] = w.flip.was
}

// putBack is what an operator does when all others that were in sync with a
// disk that was replaced have left the ISR too: nobody may lead without it.
func (w *World) putBack(b *broker) {
	*b.disk = *b.replacedDisk
	b.disk.batches[w.flip.at] = w.flip.was
	w.mark(true, "disk put back")
}
