package broker

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// peerLogBurst is how many lines about bad neighbours are said at once; later
// ones come at one a second.
const peerLogBurst = 5

// logPeer says why a broker that wants to follow this one is refused.
func (s *Server) logPeer(x *exchange, req *kmsg.FetchRequest, why error) {
	if s.followers.logged.Allow() {
		s.log.Warn("a broker that wants to follow this one is refused", "follower", req.ReplicaState.ID,
			"broker_epoch", req.ReplicaState.Epoch, "from", x.c.nc.RemoteAddr(), "why", why)
	}
}

// log says why a conversation with a leader ended.
func (w *fetcher) log(err error) {
	s := w.all.srv
	b, live := s.cluster.Image().Broker(w.leader)
	if !live || b.Leaving || errors.Is(err, context.Canceled) || !w.all.logged.Allow() {
		return // what is the matter with it is known
	}
	var refused refusedByPeer
	switch {
	case errors.As(err, &refused):
		s.log.Error("the leader refuses to be followed by this broker", "leader", w.leader, "error", err)
	case errors.Is(err, errAnswerShape):
		s.log.Error("what came from the leader is no answer; connecting anew", "leader", w.leader, "error", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.log.Warn("the leader has fallen silent; connecting anew", "leader", w.leader, "error", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		s.log.Warn("the leader has hung up; connecting anew", "leader", w.leader)
	default:
		s.log.Warn("the leader cannot be followed at present", "leader", w.leader, "error", err)
	}
}
