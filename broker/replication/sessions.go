package replication

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
)

// SessionsOptions say what Sessions stand on. All fields are needed.
type SessionsOptions struct {
	NodeID  protocol.BrokerID
	Cluster *coordinator.Cluster
	Host    *partitions.Host
	Peers   *Peers
	// CodeOf is Kafka's code for an error that brokers have none for among
	// themselves.
	CodeOf func(error) int16
	// BytesSent counts the bytes of record batches that followers were sent.
	BytesSent func(n int)
	Logger    *slog.Logger
}

// Sessions is the leader's side of replication: what the sessions of all followers
// share. Its methods may be called from any goroutine.
type Sessions struct {
	o        SessionsOptions
	log      *slog.Logger
	throttle atomic.Pointer[rate.Limiter] // of what goes to replicas that are not in sync; nil: none
	logged   *rate.Limiter
	contact  contact
}

// NewSessions returns Sessions with no follower.
func NewSessions(o SessionsOptions) *Sessions {
	return &Sessions{o: o, log: o.Logger, logged: rate.NewLimiter(rate.Every(time.Second), logBurst)}
}

// SetThrottle bounds what this broker sends to replicas that are not in sync, in
// bytes a second; settings.Unthrottled lets them have all that there is.
func (s *Sessions) SetThrottle(bytesPerSecond int64) { s.throttle.Store(throttleOf(bytesPerSecond)) }

// throttleOf is the limiter of a rate in bytes a second; nil for none.
func throttleOf(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond == settings.Unthrottled {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), laggingBytesMax)
}

// Handle gives a follower's request to the session of its connection; nil: none has
// begun there, and this is the first request. It returns the session, which whoever
// calls keeps for the next request. It is called by the connection's reader.
func (s *Sessions) Handle(ps *Session, x *transport.Exchange, req *kmsg.FetchRequest) (*Session, error) {
	if refusal := s.refuse(ps, req); refusal != nil {
		s.logRefused(x, req, refusal)
		x.Finish(&fetching.Answer{Version: req.Version, Code: s.o.CodeOf(refusal)})
		return ps, transport.ErrHangUp
	}
	s.contact.note(protocol.BrokerID(req.ReplicaState.ID))
	if ps == nil {
		ps = newSession(s)
		x.Conn.LimitIdle(idleTimeout) // it would have asked for more by then
		go ps.run()
	}
	ps.next++
	q := newSessionRequest(x, req)
	x.ReleaseFrame()
	x.ReleaseSerial() // the session bounds them
	select {
	case ps.requests <- q:
		return ps, nil
	case <-x.Conn.Context().Done():
		return ps, x.Conn.Context().Err()
	}
}

// refuse says why a broker is not served, or nil. It is told what is wrong and its
// connection is closed; it moves nothing here.
func (s *Sessions) refuse(ps *Session, req *kmsg.FetchRequest) error {
	im := s.o.Cluster.Image()
	id, epoch := protocol.BrokerID(req.ReplicaState.ID), protocol.BrokerEpoch(req.ReplicaState.Epoch)
	switch {
	case req.ClusterID == nil || *req.ClusterID != im.ClusterID:
		return fmt.Errorf("%w: it is of cluster %q, and this is %q",
			kerr.InconsistentClusterID, protocol.PrintableShort(textOr(req.ClusterID)), im.ClusterID)
	case id == s.o.NodeID:
		return fmt.Errorf("%w: it calls itself broker %d, as this one does", kerr.DuplicateBrokerRegistration, id)
	}
	if b, ok := im.Broker(id); ok && b.Epoch > epoch {
		return fmt.Errorf("%w: it is in broker epoch %d, and broker %d was registered anew in %d",
			kerr.StaleBrokerEpoch, epoch, id, b.Epoch)
	}
	want := int32(0)
	if ps != nil {
		want = ps.next
	}
	if req.SessionID != 0 || req.SessionEpoch != want {
		return fmt.Errorf("%w: request %d of session %d came where %d of 0 was due",
			kerr.InvalidFetchSessionEpoch, req.SessionEpoch, req.SessionID, want)
	}
	if ps != nil && ps.unsent.Load() >= unsentMax {
		return fmt.Errorf("%w: it has more than %d requests under way", kerr.InvalidRequest, unsentMax)
	}
	return nil
}

func textOr(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// logRefused says why a broker that wants to follow this one is refused.
func (s *Sessions) logRefused(x *transport.Exchange, req *kmsg.FetchRequest, why error) {
	if s.logged.Allow() {
		s.log.Warn("follower refused", "follower", req.ReplicaState.ID,
			"broker_epoch", req.ReplicaState.Epoch, "from", x.Conn.RemoteAddr(), "error", why)
	}
}

// code is what a leader answers a follower.
func (s *Sessions) code(err error) int16 {
	if code, ok := codeOf(err); ok {
		return code
	}
	return s.o.CodeOf(err)
}

// throttleOfFollower is what another broker wants to be sent at most by each leader.
func (s *Sessions) throttleOfFollower(id protocol.BrokerID) int64 {
	im := s.o.Cluster.Image()
	return settings.FollowerThrottledRate(
		settings.Layer{Source: settings.FromBroker, Values: im.BrokerConfigs(id)},
		settings.Layer{Source: settings.FromCluster, Values: im.ClusterConfigs()})
}
