package coordinator

import (
	"context"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// controlRetry is how long a controller waits before it tries again what the
// store did not answer.
const controlRetry = 200 * time.Millisecond

// control makes this broker controller when nobody is, and holds elections
// while it is: from each image over what may have changed since the last, or
// over everything when the last was not carried out to the end.
//
// What it writes was decided from one image and is compared with it. A
// partition that has moved on since shows so in the next image.
func (c *Cluster) control(ctx context.Context) error {
	preferred := time.NewTicker(c.o.PreferredInterval)
	defer preferred.Stop()
	var last *Image // everything in it is as it should be; nil: that is not known
	for {
		changed := c.Changed()
		im := c.Image()
		var retry <-chan time.Time
		switch lease := c.leaseIn(im); {
		case lease != 0 && im.Controller == protocol.NoBroker:
			last = nil
			if !c.claimController(ctx, lease) {
				retry = time.After(controlRetry)
			}
		case lease == 0 || im.Controller != c.o.Self.ID:
			last = nil
		case im != last:
			if c.elect(ctx, im, candidates(last, im), false) {
				last = im
				continue // what was written is in a newer image already
			}
			last, retry = nil, time.After(controlRetry)
		}
		select {
		case <-changed:
		case <-retry:
		case <-preferred.C:
			if last != nil && !c.elect(ctx, last, candidates(nil, last), true) {
				last = nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// claimTimeout bounds one try to become controller: it may be on its way to a
// leader of etcd that has died with the controller before.
const claimTimeout = 200 * time.Millisecond

// claimController takes the controller's key if nobody has it. It reports
// whether the store has answered.
func (c *Cluster) claimController(ctx context.Context, lease LeaseID) bool {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	key := c.keys.controller()
	put := PutLeased(key, encode(controllerValue{Broker: c.o.Self.ID}), lease)
	ok, rev, err := c.o.Store.Txn(ctx, []Compare{Absent(key)}, []Op{put})
	if ok {
		c.log.Info("broker is controller", "broker", c.o.Self.ID, "revision", rev)
	}
	return err == nil
}

// candidate is a partition that may need an election.
type candidate struct {
	topic *Topic
	index int
}

// candidates are the partitions that may need an election in im, if all was well in last.
func candidates(last, im *Image) []candidate {
	var all []candidate
	everything := last == nil || !sameBrokers(last, im) || last.clusterConfig.modRevision != im.clusterConfig.modRevision
	for _, t := range im.topics {
		var old *Topic
		if !everything {
			old, _ = last.TopicByID(t.ID)
		}
		if old == t {
			continue
		}
		for i := range t.Partitions {
			if old != nil && i < len(old.Partitions) && old.Partitions[i].stateRevision == t.Partitions[i].stateRevision {
				continue
			}
			all = append(all, candidate{t, i})
		}
	}
	return all
}

// sameBrokers reports whether two images have the very same brokers: a change makes a new slice.
func sameBrokers(a, b *Image) bool {
	return len(a.brokers) == len(b.brokers) && (len(a.brokers) == 0 || &a.brokers[0] == &b.brokers[0])
}

// elect decides candidates of an image and carries the outcome out. It reports
// whether all of it was done.
func (c *Cluster) elect(ctx context.Context, im *Image, candidates []candidate, preferred bool) bool {
	live := newLiveness(im)
	var moves []*move
	var of *Topic // whose rules these are; to work them out costs more than to see that all is well
	var rules ElectionRules
	for _, cand := range candidates {
		t, p := cand.topic, &cand.topic.Partitions[cand.index]
		brokers := live.of(protocol.TopicPartition{Topic: t.ID, Index: p.Index})
		if p.atRest(brokers, ElectionRules{Preferred: preferred}) && len(p.Adding) == 0 && len(p.Removing) == 0 {
			continue
		}
		if of != t {
			of, rules = t, c.o.Rules(t.Configs)
			rules.Preferred = preferred
		}
		if next, changed := decidePartition(*p, brokers, rules); changed {
			moves = append(moves, &move{topic: t, next: next, needs: c.stillRegistered(next.ISR, brokers)})
		}
	}
	c.carryOut(ctx, moves)
	return c.tell(moves)
}

// stillRegistered compares that who stays in sync is still registered as it was:
// one that has come back since without its log must not become the last one that stays.
func (c *Cluster) stillRegistered(isr protocol.Members, brokers LiveBrokers) (needs []Compare) {
	for _, m := range isr {
		if b, ok := brokers[m.ID]; ok {
			needs = append(needs, Compare{Key: c.keys.broker(m.ID), ModRevision: int64(b.Epoch)})
		}
	}
	return needs
}

// decidePartition is what a controller wants of a partition: an election, and,
// where a reassignment can end, its end.
func decidePartition(now Partition, brokers LiveBrokers, rules ElectionRules) (next Partition, changed bool) {
	next, elected := Elect(now, brokers, rules)
	next, moved := Reassign(next, rules)
	if moved {
		next, _ = Elect(next, brokers, rules)
	}
	return next, elected || moved
}

// tell logs elections, and reports whether all were carried out.
func (c *Cluster) tell(moves []*move) bool {
	if len(moves) == 0 {
		return true
	}
	done, leaderless := 0, 0
	for _, m := range moves {
		if m.done {
			done++
		}
		if m.next.Leader == protocol.NoBroker {
			leaderless++
		}
	}
	c.log.Info("elections", "partitions", len(moves), "done", done, "leaderless", leaderless, "revision", c.Image().Revision)
	return done == len(moves)
}
