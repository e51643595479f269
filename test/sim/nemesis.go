package sim

import (
	"context"

	"github.com/lockstep-log/lockstep/protocol"
)

// fault is one thing that goes wrong, and how often among all.
type fault struct {
	weight int
	strike func(w *World)
}

var faults = []fault{
	{10, func(w *World) { w.victim().crash() }},
	{14, func(w *World) { w.victim().start() }},
	{5, func(w *World) { b := w.victim(); b.crash(); b.start() }},
	{5, func(w *World) { w.leads().crash() }},
	{3, func(w *World) { b := w.leads(); b.crash(); b.start() }},
	{4, func(w *World) { w.victim().shutdown() }},
	{6, func(w *World) { w.victim().pause() }},
	{3, func(w *World) { w.leads().pause() }},
	{12, func(w *World) { w.victim().resume() }},
	{14, func(w *World) { clear(w.net.cut) }},
	{4, func(w *World) { w.net.isolate(int(w.victim().id), w.others(), true, true) }},
	{4, func(w *World) { w.net.isolate(int(w.leads().id), w.others(), true, true) }},
	{4, func(w *World) { w.net.isolate(int(w.victim().id), w.others(), w.chance(0.5), w.chance(0.5)) }},
	{4, func(w *World) { w.net.isolate(int(w.victim().id), []int{storeNode}, true, w.chance(0.5)) }},
	{5, func(w *World) { w.net.isolate(int(w.leads().id), []int{storeNode}, true, true) }},
	{5, func(w *World) { w.net.isolate(int(w.leads().id), w.someBrokers(), true, true) }},
	{3, func(w *World) { w.net.isolate(int(w.victim().id), w.someBrokers(), w.chance(0.5), true) }},
	{3, func(w *World) { b := w.victim(); b.slowDisk = !b.slowDisk }},
	{3, func(w *World) { w.victim().skew += w.rng.Int64N(2000 * ms) }},
	{2, func(w *World) { w.storeDown = !w.storeDown }},
	{3, func(w *World) { w.preferred = !w.preferred }},
	{2, (*World).powerCut},
	{5, func(w *World) { w.flap(1 + w.rng.IntN(4)) }},
	{4, (*World).bitFlip},
}

var faultWeights = func() (sum int) {
	for _, f := range faults {
		sum += f.weight
	}
	return sum
}()

// torment breaks one thing after the other until it is time to heal.
func (w *World) torment() {
	if w.closing || w.healed {
		return
	}
	w.after(1+w.rng.Int64N(2*w.o.FaultEvery), w.torment)
	n := w.rng.IntN(faultWeights)
	for _, f := range faults {
		if n -= f.weight; n < 0 {
			f.strike(w)
			return
		}
	}
}

func (w *World) victim() *broker { return w.brokers[w.rng.IntN(len(w.brokers))] }

// leads is the broker that leads by the store, or any.
func (w *World) leads() *broker {
	if now, _ := partitionNow(w.store); now.Leader > 0 {
		return w.brokers[now.Leader-1]
	}
	return w.victim()
}

// others are all nodes.
func (w *World) others() (nodes []int) {
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
	w.mark(true, "all brokers cut off at once")
	for _, b := range w.brokers {
		if w.chance(0.7) {
			w.after(1+w.rng.Int64N(200*ms), b.start)
		}
	}
}

// flap moves the leadership about, as an operator may at any time, to a member
// of the ISR.
func (w *World) flap(times int) {
	if times == 0 || w.healed {
		return
	}
	w.after(1+w.rng.Int64N(200*ms), func() { w.flap(times - 1) })
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
	b := w.victim()
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
		if other := w.brokers[m.ID-1]; other != b && !other.disk.fresh {
			_, rev, _ := w.store.Get(context.Background(), keyPartition)
			old := *b.disk
			b.laidBy = &old
			*b.disk = disk{fresh: true, since: rev}
			w.ledger.rebuilt = true
			w.mark(true, "disk replaced")
			return
		}
	}
	b.disk.batches[w.flip.at] = w.flip.was
}

// putBack is what an operator does when all others that were in sync with a
// disk that was replaced have left the ISR too: nobody may lead without it.
func (w *World) putBack(b *broker) {
	*b.disk = *b.laidBy
	b.disk.batches[w.flip.at] = w.flip.was
	w.mark(true, "disk put back")
}
