package replication

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
)

// logBurst is how many lines about other brokers are said at once; later ones come
// at one a second.
const logBurst = 5

// logEnded says why a connection to a leader ended.
func (w *fetcher) logEnded(err error) {
	b, live := w.all.o.Cluster.Image().Broker(w.leader)
	if !live || b.Leaving || errors.Is(err, context.Canceled) || !w.all.logged.Allow() {
		return // what is the matter with it is known
	}
	log := w.all.log
	var refused refusedByLeader
	switch {
	case errors.As(err, &refused):
		log.Error("leader refuses this broker as a follower", "leader", w.leader, "error", err)
	case errors.Is(err, errAnswerShape):
		log.Error("leader sent a malformed answer; reconnecting", "leader", w.leader, "error", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		log.Warn("leader has stopped answering; reconnecting", "leader", w.leader, "error", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		log.Warn("leader has closed the connection; reconnecting", "leader", w.leader)
	default:
		log.Warn("cannot fetch from leader; retrying", "leader", w.leader, "error", err)
	}
}
