package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

const (
	fetchBytesMax = 55 << 20 // one answer; Kafka's fetch.max.bytes of the broker

	fetchZstd = 10 // from this version readers know zstd (KIP-110)
)

// fetch answers with what is there, or waits for it: the partitions wake it when
// they move, it never polls.
func (s *Server) fetch(x *transport.Exchange, req *kmsg.FetchRequest) error {
	if req.Version >= replication.FetchVersion && req.ReplicaState.ID >= 0 {
		return s.followerFetch(x, req)
	}
	if !wholeFetch(req) {
		finish(x, &fetched{Answer: fetching.Answer{Version: req.Version, Code: kerr.FetchSessionIDNotFound.Code}})
		return nil
	}
	f := s.gather(req)
	if !f.enough() && req.MaxWaitMillis > 0 {
		f = s.await(x, req, f)
	}
	f.hint(s.view(x))
	finish(x, f)
	return nil
}

// followerFetch gives a follower's fetch to its session.
func (s *Server) followerFetch(x *transport.Exchange, req *kmsg.FetchRequest) (err error) {
	state := stateOf(x.Conn)
	state.follower, err = s.sessions.Handle(state.follower, x, req)
	return err
}

// wholeFetch reports whether a request names all that it wants: one of epoch 0
// would begin a session, and of -1 be without one, whatever session it says to
// end by its id (KIP-227). Any other goes on with a session, and we decline
// them: no answer ever gave out an id.
func wholeFetch(req *kmsg.FetchRequest) bool {
	return req.SessionEpoch == 0 || req.SessionEpoch == -1
}

// fetched is the answer to a client's Fetch, and what it was made of.
type fetched struct {
	fetching.Answer
	seen     []seenPart // of Parts
	bytesMin int
	// bytesMax is what the answer may hold. A request that asks for less at most
	// than at least gets the most.
	bytesMax int
	urgent   bool // something must be said at once
}

// seenPart is where one partition was looked for.
type seenPart struct {
	topic    *partitions.Topic
	host     *partitions.Partition
	moves    uint64               // of host, before it was read
	unproven bool                 // the answer says that something is not in the log, and
	epoch    protocol.LeaderEpoch // needs a proof that the partition is led here in this epoch
}

// fetchedPart is one partition while it is read.
type fetchedPart struct {
	fetching.Part
	seenPart
}

// add appends a partition.
func (f *fetched) add(id protocol.TopicID, name string, part fetchedPart) {
	f.Add(id, name, part.Part)
	f.seen = append(f.seen, part.seenPart)
}

// WriteTail writes the records, and what is between them.
func (f *fetched) WriteTail(c *transport.Conn) error { return f.Answer.WriteTail(c, nil) }

// enough reports whether the answer need not wait.
func (f *fetched) enough() bool {
	return f.urgent || f.Bytes >= min(f.bytesMin, f.bytesMax) || len(f.Parts) == 0
}

// gather reads what each partition has for the request.
func (s *Server) gather(req *kmsg.FetchRequest) *fetched {
	f := &fetched{Answer: fetching.Answer{Version: req.Version}, bytesMin: int(req.MinBytes), bytesMax: max(0, min(fetchBytesMax, int(req.MaxBytes)))}
	n := partitionsOf(req)
	f.Parts, f.seen = make([]fetching.Part, 0, n), make([]seenPart, 0, n)
	left := f.bytesMax
	for i := range req.Topics {
		rt := &req.Topics[i]
		t := s.fetchTopic(req, rt)
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			part := fetchedPart{Part: fetching.NewPart(rp.Partition), seenPart: seenPart{topic: t}}
			if err := s.gatherPart(req, &part, rp, left, f.Bytes == 0); err != nil {
				part.Code, f.urgent = s.fetchCode(req, &part, protocol.TopicID(rt.TopicID), err), true
			}
			f.urgent = f.urgent || part.Diverging != nil || part.Preferred != protocol.NoBroker
			left = max(0, left-part.Bytes)
			f.add(rt.TopicID, rt.Topic, part)
		}
	}
	f.prove()
	return f
}

func partitionsOf(req *kmsg.FetchRequest) (n int) {
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	return n
}

func (s *Server) fetchTopic(req *kmsg.FetchRequest, rt *kmsg.FetchRequestTopic) *partitions.Topic {
	if req.Version >= fetching.TopicIDsFrom {
		return s.hosted.TopicByID(protocol.TopicID(rt.TopicID))
	}
	return s.hosted.Topic(rt.Topic)
}

// fetchCode is codeOf with the one difference that topics by id have a code of
// their own. One that this broker only has not opened yet is not unknown.
func (s *Server) fetchCode(req *kmsg.FetchRequest, part *fetchedPart, id protocol.TopicID, err error) int16 {
	if part.topic != nil || req.Version < fetching.TopicIDsFrom {
		return codeOf(err)
	}
	if _, known := s.cluster.Image().TopicByID(id); known {
		return kerr.NotLeaderForPartition.Code
	}
	return kerr.UnknownTopicID.Code
}

// gatherPart reads one partition, up to the high watermark.
func (s *Server) gatherPart(req *kmsg.FetchRequest, part *fetchedPart, rp *kmsg.FetchRequestTopicPartition, left int, first bool) error {
	host := part.topic.Partition(rp.Partition)
	if err := s.whyNotHere(part.topic, rp.Partition, host); err != nil && (host == nil || host.Prefix == nil) {
		return err
	}
	if req.ReplicaID >= 0 || req.ReplicaState.ID >= 0 {
		return kerr.NotLeaderForPartition // a client that calls itself a follower moves nothing here
	}
	if req.Version < fetchZstd && part.topic.WritesZstd() {
		return kerr.UnsupportedCompressionType
	}
	if host.Prefix != nil {
		return part.readPrefix(host, rp, left, first)
	}
	part.host, part.moves = host, host.Moves()
	if err := host.Damage(); err != nil {
		return err
	}
	if err := checkEpoch(host, rp.CurrentLeaderEpoch); err != nil {
		return err
	}
	st := host.State()
	if err := mayRead(st, req.Version); err != nil {
		return err
	}
	part.HighWatermark, part.LogStart = host.HighWatermark(), host.Start()
	from := protocol.Offset(rp.FetchOffset)
	switch {
	case from > host.End() && st.Role == replica.RoleFollower:
		return kerr.OffsetNotAvailable // the leader may have it
	case from < part.LogStart || from > host.End():
		if err := part.absent(st); err != nil {
			return err
		}
		return kerr.OffsetOutOfRange
	}
	if rp.LastFetchedEpoch >= 0 {
		if err := part.compare(st, from, protocol.LeaderEpoch(rp.LastFetchedEpoch)); err != nil || part.Diverging != nil {
			return err
		}
	}
	if part.Preferred = s.nearest(req, st); part.Preferred != protocol.NoBroker {
		return nil
	}
	return part.Read(fetching.Log{Partition: host}, from, part.HighWatermark, max(0, min(left, int(rp.PartitionMaxBytes))), first)
}

// compare looks whether the log holds what the client has read last, which was
// written in an epoch and ended at from.
func (part *fetchedPart) compare(st *replica.State, from protocol.Offset, last protocol.LeaderEpoch) error {
	log := part.host.Log()
	epoch, end := log.LatestEpoch(), log.End()
	if last <= epoch {
		epoch, end = log.EpochEnd(last)
	}
	if end < from {
		past, err := part.host.PastEmpty(end)
		if err != nil {
			return err
		}
		end = past
	}
	if epoch == last && end >= from {
		return nil
	}
	if st.Role != replica.RoleLeader || last > st.Epoch {
		if err := part.absent(st); err != nil {
			return err
		}
	}
	part.Diverging = &fetching.Divergence{Epoch: epoch, End: end}
	return nil
}

// absent notes that the answer for a partition says that something is not in its
// log. A follower cannot tell: the leader may have it.
func (part *fetchedPart) absent(st *replica.State) error {
	if st.Role != replica.RoleLeader || st.SteppedAside {
		return replica.ErrNotLeader
	}
	part.unproven, part.epoch = true, st.Epoch
	return nil
}

// prove waits until it is known of each answer about an absence whether it may be
// given. All proofs are asked for at once, so that they take no longer than one.
func (f *fetched) prove() {
	var proofs []partitions.LeadershipProof
	for i := range f.seen {
		if part := &f.seen[i]; part.unproven {
			proofs = append(proofs, part.host.ProveLeadership(part.epoch))
		}
	}
	if proofs == nil {
		return
	}
	for i := range f.seen {
		part := &f.seen[i]
		if !part.unproven {
			continue
		}
		if err := proofs[0].Wait(); err != nil {
			f.Parts[i].Code, f.Parts[i].Diverging = codeOf(err), nil
		}
		part.unproven, proofs = false, proofs[1:]
	}
}
