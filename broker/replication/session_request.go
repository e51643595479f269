package replication

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// sessionRequest is one request of a follower, taken out of its frame.
type sessionRequest struct {
	x         *transport.Exchange
	from      protocol.Member
	waitMs    int32
	bytesMax  int
	listed    []listing
	forgotten []protocol.TopicPartition
}

// listing is a partition's fetch, and what its follower knows already.
type listing struct {
	id    protocol.TopicPartition
	fetch replica.Fetch
	hw    protocol.Offset
	start protocol.Offset
}

// newSessionRequest copies what the session needs: the frame is given back.
func newSessionRequest(x *transport.Exchange, req *kmsg.FetchRequest) *sessionRequest {
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	q := &sessionRequest{
		x: x,
		from: protocol.Member{
			ID: protocol.BrokerID(req.ReplicaState.ID), BrokerEpoch: protocol.BrokerEpoch(req.ReplicaState.Epoch),
		},
		waitMs: req.MaxWaitMillis, bytesMax: max(0, min(AnswerBytesMax, int(req.MaxBytes))),
		listed: make([]listing, 0, n),
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

func (q *sessionRequest) listing(topic protocol.TopicID, rp *kmsg.FetchRequestTopicPartition) listing {
	l := listing{
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
