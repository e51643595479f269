package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

const fetchBytesMax = 55 << 20 // one answer; Kafka's fetch.max.bytes of the broker

// clientFetch is a consumer's Fetch under way: one request of a session, or of
// none, which is a session with one request.
type clientFetch struct {
	srv      *Server
	x        *transport.Exchange
	version  int16
	epoch    int32 // of the session
	bytesMin int
	rack     string
	// replica: the client calls itself one. It moves nothing here, and gets nothing.
	replica  bool
	session  *fetching.Session
	unproven []unprovenFetch
}

// fetch answers with what is there, or waits for it: the partitions wake it when
// they move, it never polls.
func (s *Server) fetch(x *transport.Exchange, req *kmsg.FetchRequest) error {
	if req.Version >= replication.FetchVersion && req.ReplicaState.ID >= 0 {
		return s.followerFetch(x, req)
	}
	f := &clientFetch{
		srv: s, x: x, version: req.Version, epoch: req.SessionEpoch, bytesMin: int(req.MinBytes), rack: req.Rack,
		replica: req.ReplicaID >= 0 || req.ReplicaState.ID >= 0,
	}
	if err := f.begin(req); err != nil {
		finish(x, &fetched{fetching.Answer{Version: req.Version, Code: codeOf(err)}, s})
		return nil
	}
	defer f.session.Release()
	f.look(f.session.Pending())
	if !f.enough() && req.MaxWaitMillis > 0 {
		f.await(req.MaxWaitMillis)
	}
	finish(x, f.answer())
	return nil
}

// followerFetch gives a follower's fetch to its session.
func (s *Server) followerFetch(x *transport.Exchange, req *kmsg.FetchRequest) (err error) {
	state := stateOf(x.Conn)
	state.follower, err = s.sessions.Handle(state.follower, x, req)
	return err
}

// begin finds the session that the request goes on with, or makes one. A request
// that names all that it wants ends the session whose id it gives (KIP-227).
func (f *clientFetch) begin(req *kmsg.FetchRequest) (err error) {
	byID, listed := req.Version >= fetching.TopicIDsFrom, fetchListings(req)
	sessions := f.srv.fetchSessions
	if fetching.IsFull(req.SessionEpoch) {
		sessions.End(req.SessionID)
		f.session = fetching.NewSession(byID, listed)
	} else {
		f.session, err = sessions.Resume(req.SessionID, req.SessionEpoch, byID, listed, forgottenFetches(req), sinceStartMs())
	}
	if err != nil {
		return err
	}
	bound := boundOf(req.IsolationLevel)
	var image int64
	if f.rack != "" {
		image = f.srv.cluster.Image().Revision // who lives in the rack
	}
	f.session.Begin(bound, image, max(0, min(fetchBytesMax, int(req.MaxBytes))))
	return nil
}

// isolationCommitted is that of a consumer that reads no records of transactions
// that are not committed.
const isolationCommitted = 1

// boundOf is up to where a consumer of an isolation level may read.
func boundOf(isolation int8) fetching.Bound {
	if isolation == isolationCommitted {
		return fetching.Stable
	}
	return fetching.Committed
}

func fetchListings(req *kmsg.FetchRequest) []fetching.Listing {
	listed := make([]fetching.Listing, 0, partitionsOf(req))
	for i := range req.Topics {
		rt := &req.Topics[i]
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			listed = append(listed, fetching.Listing{
				Key: fetching.Key{Topic: rt.TopicID, Name: rt.Topic, Index: rp.Partition},
				Want: fetching.Want{
					Offset: protocol.Offset(rp.FetchOffset), LeaderEpoch: rp.CurrentLeaderEpoch, LastEpoch: rp.LastFetchedEpoch,
					BytesMax: int(rp.PartitionMaxBytes),
				},
			})
		}
	}
	return listed
}

func forgottenFetches(req *kmsg.FetchRequest) (keys []fetching.Key) {
	for i := range req.ForgottenTopics {
		rt := &req.ForgottenTopics[i]
		for _, index := range rt.Partitions {
			keys = append(keys, fetching.Key{Topic: rt.TopicID, Name: rt.Topic, Index: index})
		}
	}
	return keys
}

func partitionsOf(req *kmsg.FetchRequest) (n int) {
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	return n
}

// enough reports whether the answer need not wait.
func (f *clientFetch) enough() bool { return f.session.Enough(f.bytesMin) }

// overtaken reports whether the client has sent a later request of the session: it
// takes this one for lost.
func (f *clientFetch) overtaken() bool {
	return !fetching.IsFull(f.epoch) && f.session.Overtaken(f.epoch)
}

// answer ends the work with what was found. It begins the session that the request
// asks for, if there is room for one.
func (f *clientFetch) answer() *fetched {
	if f.overtaken() {
		code := codeOf(fetching.ErrSessionEpoch)
		return &fetched{fetching.Answer{Version: f.version, Code: code, SessionID: f.session.ID()}, f.srv}
	}
	out := &fetched{f.session.Answer(f.version, fetching.IsFull(f.epoch)), f.srv}
	if f.epoch == fetching.InitialEpoch && !f.replica {
		f.srv.fetchSessions.Add(f.session, sinceStartMs())
	}
	out.SessionID = f.session.ID()
	out.hint(f.srv.view(f.x))
	return out
}

// fetched is the answer to a consumer's Fetch.
type fetched struct {
	fetching.Answer
	srv *Server
}

// throttle implements throttled.
func (f *fetched) throttle(ms int32) { f.ThrottleMs = ms }

// WriteTail writes the records, and what is between them.
func (f *fetched) WriteTail(c *transport.Conn) error { return f.Answer.WriteTail(c, nil) }

// topicOf is a topic that a Fetch names by its id or, in old versions, by its name.
func (s *Server) topicOf(key fetching.Key) *partitions.Topic {
	if key.Name == "" {
		return s.hosted.TopicByID(key.Topic)
	}
	return s.hosted.Topic(key.Name)
}

// count counts the bytes that were fetched, by topic.
func (f *fetched) count() {
	for key, part := range f.All() {
		if part.Bytes == 0 {
			continue
		}
		if t := f.srv.topicOf(key); t != nil {
			metricsOf(t).FetchedBytes.Add(float64(part.Bytes))
		}
	}
}

// fetchHintsFrom is the first version whose clients go to the leader that an error
// names (KIP-951).
const fetchHintsFrom = 16

// hint adds to each error about leadership who leads, and where.
func (f *fetched) hint(v view) {
	if f.Version < fetchHintsFrom {
		return
	}
	hints := leaderHints{view: v}
	for key, part := range f.All() {
		if !ledElsewhere(part.Code) {
			continue
		}
		if leader, epoch, ok := hints.of(key.Topic, key.Index); ok {
			part.Leader = &fetching.LeaderHint{Leader: leader, Epoch: epoch}
		}
	}
	for _, n := range hints.nodes {
		f.Leaders = append(f.Leaders, fetching.Node{ID: n.id, Host: n.host, Port: n.port, Rack: n.rack})
	}
}

// code is codeOf with the one difference that topics by id have a code of
// their own. One that this broker only has not opened yet is not unknown.
func (f *clientFetch) code(p *fetching.Partition, err error) int16 {
	if f.version < fetching.TopicIDsFrom || f.srv.topicOf(p.Key) != nil {
		return codeOf(err)
	}
	if _, known := f.srv.cluster.Image().TopicByID(p.Topic); known {
		return kerr.NotLeaderForPartition.Code
	}
	if p.Known() {
		return kerr.UnknownTopicOrPartition.Code
	}
	return kerr.UnknownTopicID.Code
}
