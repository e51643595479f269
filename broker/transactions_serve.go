package broker

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/broker/coordination"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/txn"
)

// producerIDPatience bounds how long a transactional producer waits for the metadata to
// give out producer ids.
const producerIDPatience = 10 * time.Second

// errNoCoordinator: the topic of the coordinators is not there yet.
var errNoCoordinator = fmt.Errorf("%w: its topic does not exist", kerr.CoordinatorNotAvailable)

// partitionsOf is the number of partitions of a coordinators' topic. The first who asks
// makes the topic.
func (s *Server) partitionsOf(x *transport.Exchange, t *coordination.Topic) (int32, error) {
	if n, ok := t.Count(); ok {
		return n, nil
	}
	ctx, cancel := withinDefault(x)
	defer cancel()
	if err := t.Make(ctx); err != nil {
		s.log.Warn("the topic of "+t.Purpose+" cannot be created", "topic", t.Name, "error", err)
		return 0, fmt.Errorf("%w: %s: %w", kerr.CoordinatorNotAvailable, t.Name, err)
	}
	n, ok := t.Count()
	if !ok {
		return 0, kerr.CoordinatorNotAvailable
	}
	return n, nil
}

// serveAll is serve for several transactional ids at once: each is called for every id,
// and finish when all have called their done. An id that is named again is refused, as
// with groups.
func (t *transactions) serveAll(
	x *transport.Exchange, ids []string, each func(i int, sh *txnShard, err error, done func()), finish func(),
) {
	n, err := t.srv.partitionsOf(x, t.topic)
	x.ReleaseFrame()
	t.eachOf(ids, n, err, each, finish)
}

// eachOf is serveAll where the topic has n partitions, or nobody is served.
func (t *transactions) eachOf(
	ids []string, n int32, err error, each func(i int, sh *txnShard, err error, done func()), finish func(),
) {
	run := func(err error) {
		named := tallyOf(ids, func(id *string) string { return *id })
		left := len(ids) + 1
		end := func() {
			if left--; left == 0 {
				finish()
			}
		}
		for i, id := range ids {
			one := func(sh *txnShard, err error) { each(i, sh, err, end) }
			switch {
			case named.take(id) == 0:
				one(nil, errTwice("transactional id", id))
			case err != nil:
				one(nil, err)
			default:
				t.runtime.At(t.partitionOf(id, n), one)
			}
		}
		end()
	}
	if err == nil {
		err = t.runtime.Do(func() { run(nil) })
	}
	if err != nil {
		run(err)
	}
}

// callOf is a call as the runtime names it.
func callOf(call txn.CallID) coordination.CallID { return coordination.CallID(call) }
