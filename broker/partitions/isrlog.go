package partitions

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// isrLogged is how many changes of in-sync replicas a second are logged, each in
// a line: a broker that dies changes those of all partitions that it had. All are
// counted by those who lead, and the rest is summed up in one line.
const isrLogged = 10

// isrLog tells of each replica that leaves the in-sync replicas of a partition or
// comes into them: without it a follower that comes and goes is seen by nobody
// but a metric.
type isrLog struct {
	log   *slog.Logger
	limit *rate.Limiter

	mu struct {
		sync.Mutex
		shrunk, grown int // not logged yet
	}
}

func newISRLog(log *slog.Logger) *isrLog {
	return &isrLog{log: log, limit: rate.NewLimiter(rate.Every(time.Second/isrLogged), isrLogged)}
}

// note tells of a change from one state of a partition to the next, if any.
func (l *isrLog) note(topic string, was, is *image.Partition) {
	before, now := was.ISR.IDs(), is.ISR.IDs()
	out, in := without(before, now), without(now, before)
	if len(out)+len(in) == 0 {
		return
	}
	what := "in-sync replicas grew"
	if len(out) > 0 {
		what = "in-sync replicas shrank"
	}
	if !l.limit.Allow() {
		l.leave(len(out) > 0)
		return
	}
	l.log.Info(what, "topic", topic, "partition", is.Index, "out", out, "in", in, "isr", now,
		"leader", is.Leader, "epoch", is.LeaderEpoch)
}

func (l *isrLog) leave(shrunk bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if shrunk {
		l.mu.shrunk++
	} else {
		l.mu.grown++
	}
}

// sum tells of the changes that were too many, as soon as there is room for it.
func (l *isrLog) sum() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.shrunk+l.mu.grown == 0 || !l.limit.Allow() {
		return
	}
	l.log.Info("in-sync replicas of more partitions changed", "shrank", l.mu.shrunk, "grew", l.mu.grown)
	l.mu.shrunk, l.mu.grown = 0, 0
}

// without is what of some brokers is not among others; never nil.
func without(some, others []protocol.BrokerID) []protocol.BrokerID {
	return slices.DeleteFunc(slices.Clone(some), func(id protocol.BrokerID) bool { return slices.Contains(others, id) })
}
