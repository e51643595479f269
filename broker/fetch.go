package broker

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

const (
	fetchBytesMax = 55 << 20 // one answer; Kafka's fetch.max.bytes of the broker
	fetchPiece    = 1 << 20  // what is read and sent at once

	fetchZstd     = 10 // from this version readers know zstd (KIP-110)
	fetchTopicIDs = 13 // from this version topics go by id
)

// fetch answers with what is there, or waits for it: the partitions wake it when
// they move, it never polls.
func (s *Server) fetch(x *exchange, req *kmsg.FetchRequest) error {
	if req.Version >= peerFetchVersion && req.ReplicaState.ID >= 0 {
		return s.replicaFetch(x, req)
	}
	if !wholeFetch(req) {
		x.finish(&fetched{version: req.Version, code: kerr.FetchSessionIDNotFound.Code})
		return nil
	}
	f := s.gather(req)
	if !f.enough() && req.MaxWaitMillis > 0 {
		f = s.await(x, req, f)
	}
	f.hint(s.view(x))
	x.finish(f)
	return nil
}

// wholeFetch reports whether a request names all that it wants: one of epoch 0
// would begin a session, and of -1 be without one, whatever session it says to
// end by its id (KIP-227). Any other goes on with a session, and we decline
// them: no answer ever gave out an id.
func wholeFetch(req *kmsg.FetchRequest) bool {
	return req.SessionEpoch == 0 || req.SessionEpoch == -1
}

// fetched is the answer to a Fetch.
type fetched struct {
	version  int16
	code     int16
	topics   []fetchedTopic
	parts    []fetchedPart // of the first topic, of the second, ...
	bytes    int
	bytesMin int
	// bytesMax is what the answer may hold. A request that asks for less at most
	// than at least gets the most.
	bytesMax int
	hurry    bool   // something must be said at once
	leaders  []node // where those that hints name can be reached

	body []byte // the answer without its records
	cuts []cut  // where they belong, when they are streamed
}

// fetchedTopic is a topic of it, by id or, in old versions, by name.
type fetchedTopic struct {
	id    protocol.TopicID
	name  string
	parts int
}

// fetchedPart is one partition of it.
type fetchedPart struct {
	topic     *topic
	host      *partition
	moves     uint64 // of host, before it was read
	index     int32
	code      int16
	hw        protocol.Offset
	start     protocol.Offset
	diverging *divergence
	unproven  bool                 // it says that something is not in the log, and
	epoch     protocol.LeaderEpoch // needs a proof that the partition is led here in this epoch
	leader    *leaderHint          // who leads instead of this broker
	nearest   protocol.BrokerID    // who should be read from instead, or NoBroker
	round     int64                // of leadership, for a follower; 0: none
	ranges    []segment.Range
	bytes     int
}

// newFetchedPart is a partition of which nothing is known yet.
func newFetchedPart(t *topic, host *partition, index int32) fetchedPart {
	return fetchedPart{topic: t, host: host, index: index, hw: protocol.None, start: protocol.None, nearest: protocol.NoBroker}
}

// add appends a partition.
func (f *fetched) add(id protocol.TopicID, name string, part fetchedPart) {
	if n := len(f.topics); n == 0 || f.topics[n-1].id != id || f.topics[n-1].name != name {
		f.topics = append(f.topics, fetchedTopic{id: id, name: name})
	}
	f.topics[len(f.topics)-1].parts++
	f.parts = append(f.parts, part)
	f.bytes += part.bytes
}

// divergence tells a client where its log parts from this one (KIP-595).
type divergence struct {
	epoch protocol.LeaderEpoch
	end   protocol.Offset
}

// enough reports whether the answer need not wait.
func (f *fetched) enough() bool {
	return f.hurry || f.bytes >= min(f.bytesMin, f.bytesMax) || len(f.parts) == 0
}

// gather reads what each partition has for the request.
func (s *Server) gather(req *kmsg.FetchRequest) *fetched {
	f := &fetched{version: req.Version, bytesMin: int(req.MinBytes), bytesMax: max(0, min(fetchBytesMax, int(req.MaxBytes)))}
	f.parts = make([]fetchedPart, 0, partitionsOf(req))
	left := f.bytesMax
	for i := range req.Topics {
		rt := &req.Topics[i]
		t := s.fetchTopic(req, rt)
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			part := newFetchedPart(t, nil, rp.Partition)
			if err := s.gatherPart(req, &part, rp, left, f.bytes == 0); err != nil {
				part.code, f.hurry = s.fetchCode(req, &part, protocol.TopicID(rt.TopicID), err), true
			}
			f.hurry = f.hurry || part.diverging != nil || part.nearest != protocol.NoBroker
			left = max(0, left-part.bytes)
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

func (s *Server) fetchTopic(req *kmsg.FetchRequest, rt *kmsg.FetchRequestTopic) *topic {
	if req.Version >= fetchTopicIDs {
		return s.hosted.topicByID(protocol.TopicID(rt.TopicID))
	}
	return s.hosted.topic(rt.Topic)
}

// fetchCode is codeOf with the one difference that topics by id have a code of
// their own. One that this broker only has not opened yet is not unknown.
func (s *Server) fetchCode(req *kmsg.FetchRequest, part *fetchedPart, id protocol.TopicID, err error) int16 {
	if part.topic != nil || req.Version < fetchTopicIDs {
		return codeOf(err)
	}
	if _, known := s.cluster.Image().TopicByID(id); known {
		return kerr.NotLeaderForPartition.Code
	}
	return kerr.UnknownTopicID.Code
}

// gatherPart reads one partition, up to the high watermark.
func (s *Server) gatherPart(req *kmsg.FetchRequest, part *fetchedPart, rp *kmsg.FetchRequestTopicPartition, left int, first bool) error {
	host := part.topic.partition(rp.Partition)
	if err := s.whyNotHere(part.topic, rp.Partition, host); err != nil && (host == nil || host.whole == nil) {
		return err
	}
	if req.ReplicaID >= 0 || req.ReplicaState.ID >= 0 {
		return kerr.NotLeaderForPartition // a client that calls itself a follower moves nothing here
	}
	if req.Version < fetchZstd && part.topic.writesZstd() {
		return kerr.UnsupportedCompressionType
	}
	if host.whole != nil {
		return part.readWhole(host, rp, left, first)
	}
	part.host, part.moves = host, host.Moves()
	if err := host.damage(); err != nil {
		return err
	}
	if err := host.checkEpoch(rp.CurrentLeaderEpoch); err != nil {
		return err
	}
	st := host.State()
	if err := mayRead(st, req.Version); err != nil {
		return err
	}
	part.hw, part.start = host.HighWatermark(), host.Start()
	from := protocol.Offset(rp.FetchOffset)
	switch {
	case from > host.End() && st.Role == replica.RoleFollower:
		return kerr.OffsetNotAvailable // the leader may have it
	case from < part.start || from > host.End():
		if err := part.absent(st); err != nil {
			return err
		}
		return kerr.OffsetOutOfRange
	}
	if rp.LastFetchedEpoch >= 0 {
		if err := part.compare(st, from, protocol.LeaderEpoch(rp.LastFetchedEpoch)); err != nil || part.diverging != nil {
			return err
		}
	}
	if part.nearest = s.nearest(req, st); part.nearest != protocol.NoBroker {
		return nil
	}
	return part.read(host.Log(), from, part.hw, max(0, min(left, int(rp.PartitionMaxBytes))), first)
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
	part.diverging = &divergence{epoch, end}
	return nil
}

// read takes pieces below an offset until the bytes are used up. The first piece
// of an answer may be larger than asked for, so that a large batch cannot stop a
// reader.
func (part *fetchedPart) read(log *segment.Log, from, below protocol.Offset, bytesMax int, first bool) error {
	for from < below && (part.bytes < bytesMax || first) {
		r, err := log.Read(from, below, min(fetchPiece, bytesMax-part.bytes), first)
		if errors.Is(err, segment.ErrOffsetOutOfRange) || errors.Is(err, segment.ErrClosed) {
			return err
		}
		if err != nil {
			part.host.damaged(err)
			return err
		}
		if r.Len() == 0 {
			r.Close()
			return nil
		}
		part.ranges = append(part.ranges, r)
		part.bytes += r.Len()
		from, first = r.NextOffset(), false
	}
	return nil
}

// release gives the log's files back.
func (f *fetched) release() {
	for i := range f.parts {
		f.parts[i].release()
	}
}

func (part *fetchedPart) release() {
	for _, r := range part.ranges {
		r.Close()
	}
	part.ranges = nil
}
