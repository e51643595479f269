package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// peerRequest is one request of a follower, taken out of its frame.
type peerRequest struct {
	x         *transport.Exchange
	from      protocol.Member
	waitMs    int32
	bytesMax  int
	listed    []peerListing
	forgotten []protocol.TopicPartition
}

// peerListing is a partition's fetch, and what its follower knows already.
type peerListing struct {
	id    protocol.TopicPartition
	fetch replica.Fetch
	hw    protocol.Offset
	start protocol.Offset
}

// newPeerRequest copies what the session needs: the frame is given back.
func newPeerRequest(x *transport.Exchange, req *kmsg.FetchRequest) *peerRequest {
	q := &peerRequest{
		x:      x,
		from:   protocol.Member{ID: protocol.BrokerID(req.ReplicaState.ID), BrokerEpoch: protocol.BrokerEpoch(req.ReplicaState.Epoch)},
		waitMs: req.MaxWaitMillis, bytesMax: max(0, min(replication.AnswerBytesMax, int(req.MaxBytes))),
		listed: make([]peerListing, 0, partitionsOf(req)),
	}
	for i := range req.Topics {
		rt := &req.Topics[i]
		for j := range rt.Partitions {
			q.listed = append(q.listed, q.listing(rt.TopicID, &rt.Partitions[j]))
		}
	}
	for i := range req.ForgottenTopics {
		rt := &req.ForgottenTopics[i]
		for _, index := range rt.Partitions {
			q.forgotten = append(q.forgotten, protocol.TopicPartition{Topic: rt.TopicID, Index: index})
		}
	}
	return q
}

func (q *peerRequest) listing(topic protocol.TopicID, rp *kmsg.FetchRequestTopicPartition) peerListing {
	l := peerListing{
		id: protocol.TopicPartition{Topic: topic, Index: rp.Partition},
		fetch: replica.Fetch{
			From: q.from, Epoch: protocol.LeaderEpoch(rp.CurrentLeaderEpoch),
			Offset: protocol.Offset(rp.FetchOffset), LastEpoch: protocol.LeaderEpoch(rp.LastFetchedEpoch),
		},
		hw: protocol.Offset(rp.HighWatermark), start: protocol.Offset(rp.LogStartOffset),
	}
	rp.UnknownTags.Each(func(tag uint32, value []byte) {
		if tag == fetching.TagRound {
			l.fetch.Round = fetching.ParseRound(value)
		}
	})
	return l
}

// replicaFetch gives a follower's request to the connection's session, which it
// begins with the first one. It is called by the connection's reader.
func (s *Server) replicaFetch(x *transport.Exchange, req *kmsg.FetchRequest) error {
	state := stateOf(x.Conn)
	if refusal := s.refusePeer(state.peer, req); refusal != nil {
		s.logRefusedPeer(x, req, refusal)
		x.Finish(&fetched{Answer: fetching.Answer{Version: req.Version, Code: codeOf(refusal)}})
		return transport.ErrHangUp
	}
	s.heard.note(protocol.BrokerID(req.ReplicaState.ID))
	ps := state.peer
	if ps == nil {
		ps = newPeerSession(s)
		state.peer = ps
		x.Conn.LimitIdle(replication.IdleTimeout) // it would have asked for more by then
	}
	ps.next++
	q := newPeerRequest(x, req)
	x.ReleaseFrame()
	x.ReleaseSerial() // the session bounds them
	select {
	case ps.requests <- q:
		return nil
	case <-x.Conn.Context().Done():
		return x.Conn.Context().Err()
	}
}

// refusePeer says why a broker is not talked to, or nil. A bad neighbour is told
// what is wrong with it and hung up on; it moves nothing here.
func (s *Server) refusePeer(ps *peerSession, req *kmsg.FetchRequest) error {
	im := s.cluster.Image()
	id, epoch := protocol.BrokerID(req.ReplicaState.ID), protocol.BrokerEpoch(req.ReplicaState.Epoch)
	switch {
	case req.ClusterID == nil || *req.ClusterID != im.ClusterID:
		return fmt.Errorf("%w: it is of cluster %q, and this is %q", kerr.InconsistentClusterID, protocol.PrintableShort(textOr(req.ClusterID)), im.ClusterID)
	case id == s.cfg.NodeID:
		return fmt.Errorf("%w: it calls itself broker %d, as this one does", kerr.DuplicateBrokerRegistration, id)
	}
	if b, ok := im.Broker(id); ok && b.Epoch > epoch {
		return fmt.Errorf("%w: it is in broker epoch %d, and broker %d was registered anew as %d", kerr.StaleBrokerEpoch, epoch, id, b.Epoch)
	}
	want := int32(0)
	if ps != nil {
		want = ps.next
	}
	if req.SessionID != 0 || req.SessionEpoch != want {
		return fmt.Errorf("%w: request %d of session %d came where %d of 0 was due", kerr.InvalidFetchSessionEpoch, req.SessionEpoch, req.SessionID, want)
	}
	if ps != nil && ps.unsent.Load() >= peerUnsentMax {
		return fmt.Errorf("%w: it has more than %d requests under way", kerr.InvalidRequest, peerUnsentMax)
	}
	return nil
}

func textOr(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// refusalsLoggedAtOnce is how many lines about refused followers are said at once;
// later ones come at one a second.
const refusalsLoggedAtOnce = 5

// logRefusedPeer says why a broker that wants to follow this one is refused.
func (s *Server) logRefusedPeer(x *transport.Exchange, req *kmsg.FetchRequest, why error) {
	if s.sessions.logged.Allow() {
		s.log.Warn("follower refused", "follower", req.ReplicaState.ID,
			"broker_epoch", req.ReplicaState.Epoch, "from", x.Conn.RemoteAddr(), "error", why)
	}
}
