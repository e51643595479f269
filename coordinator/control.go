package coordinator

import (
	"context"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/store"
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
	var last *image.Image // everything in it is as it should be; nil: that is not known
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
			if c.elect(ctx, im, plan.Candidates(last, im), false) {
				last = im
				continue // what was written is in a newer image already
			}
			last, retry = nil, time.After(controlRetry)
		}
		select {
		case <-changed:
		case <-retry:
		case <-preferred.C:
			if last != nil && !c.elect(ctx, last, plan.Candidates(nil, last), true) {
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
func (c *Cluster) claimController(ctx context.Context, lease store.LeaseID) bool {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	key := c.keys.Controller()
	put := store.PutLeased(key, store.Encode(store.ControllerValue{Broker: c.o.Self.ID}), lease)
	ok, rev, err := c.o.Store.Txn(ctx, []store.Compare{store.Absent(key)}, []store.Op{put})
	if ok {
		c.log.Info("broker is controller", "broker", c.o.Self.ID, "revision", rev)
	}
	return err == nil
}

// elect decides candidates of an image and carries the outcome out. It reports
// whether all of it was done.
func (c *Cluster) elect(ctx context.Context, im *image.Image, candidates []plan.Candidate, preferred bool) bool {
	var moves []*move
	for _, m := range plan.Elections(im, candidates, c.o.Rules, preferred) {
		moves = append(moves, &move{Move: m})
	}
	c.carryOut(ctx, moves)
	return c.tell(moves)
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
		if m.Next.Leader == protocol.NoBroker {
			leaderless++
		}
	}
	c.log.Info("elections", "partitions", len(moves), "done", done, "leaderless", leaderless, "revision",
		c.Image().Revision)
	return done == len(moves)
}
