package replication

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/protocol"
)

// fetchRequest makes a fetcher's requests, one after the other, in the same
// memory. Only the writing goroutine uses it.
type fetchRequest struct {
	w      *fetcher
	format *kmsg.RequestFormatter
	req    kmsg.FetchRequest
	buf    []byte
	from   protocol.BrokerEpoch // the broker epoch that the latest fetch was made in
}

func newFetchRequest(w *fetcher) *fetchRequest {
	o := &w.all.o
	r := &fetchRequest{w: w, req: kmsg.NewFetchRequest(), from: o.Cluster.BrokerEpoch()}
	r.format = kmsg.NewRequestFormatter(kmsg.FormatterClientID(o.Peers.ClientID()))
	r.req.Version = FetchVersion
	r.req.ClusterID = kmsg.StringPtr(o.Cluster.Image().ClusterID)
	r.req.ReplicaState.ID = int32(o.NodeID)
	r.req.MaxWaitMillis, r.req.MinBytes = int32(heartbeatInterval.Milliseconds()), 1
	return r
}

// make returns the next request as a frame, good until the next call. It lists
// what is pending.
func (r *fetchRequest) make(connection int) []byte {
	w := r.w
	w.all.mu.Lock()
	k := w.sent
	w.sent++
	bytesMax := min(AnswerBytesMax, w.room())
	w.asked[k%inFlightMax] = bytesMax
	r.forget(w.forgotten)
	w.forgotten = w.forgotten[:0]
	r.list(k, connection)
	w.all.mu.Unlock()
	r.req.SessionEpoch, r.req.MaxBytes, r.req.ReplicaState.Epoch = k, int32(bytesMax), int64(r.from)
	r.buf = r.format.AppendRequest(r.buf[:0], &r.req, k)
	return r.buf
}

// list moves pending fetches into the request. All of one request are of one
// epoch of this broker; those of another wait for the next.
func (r *fetchRequest) list(k int32, connection int) {
	w := r.w
	r.req.Topics = r.req.Topics[:0]
	listed, kept := 0, w.pending[:0]
	for _, fo := range w.pending {
		switch {
		case fo.state != followerWants:
			fo.pending = false // it has left
			continue
		case listed == listedMax, listed > 0 && fo.fetch.From.BrokerEpoch != r.from:
			kept = append(kept, fo)
			continue
		}
		r.from = fo.fetch.From.BrokerEpoch
		fo.state, fo.request, fo.connection, fo.pending = followerListed, k, connection, false
		r.add(fo)
		listed++
	}
	clear(w.pending[len(kept):])
	w.pending = kept
	if listed == 0 {
		r.from = max(r.from, w.all.o.Cluster.BrokerEpoch())
	}
}

func (r *fetchRequest) add(fo *follower) {
	id := fo.p.ID()
	t := r.topic(id.Topic)
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.PartitionMaxBytes = id.Index, partitionBytesMax
	rp.CurrentLeaderEpoch, rp.LastFetchedEpoch = int32(fo.fetch.Epoch), int32(fo.fetch.LastEpoch)
	rp.FetchOffset = int64(fo.fetch.Offset)
	rp.LogStartOffset, rp.HighWatermark = int64(fo.p.Start()), int64(fo.p.HighWatermark())
	if fo.fetch.Round > 0 {
		rp.UnknownTags.Set(fetching.TagRound, fetching.AppendRound(nil, fo.fetch.Round))
	}
	t.Partitions = append(t.Partitions, rp)
}

// topic is the request's last topic, if it is the one, or a new one.
func (r *fetchRequest) topic(id protocol.TopicID) *kmsg.FetchRequestTopic {
	n := len(r.req.Topics)
	if n > 0 && r.req.Topics[n-1].TopicID == id {
		return &r.req.Topics[n-1]
	}
	if n < cap(r.req.Topics) {
		r.req.Topics = r.req.Topics[:n+1]
	} else {
		r.req.Topics = append(r.req.Topics, kmsg.NewFetchRequestTopic())
	}
	t := &r.req.Topics[n]
	t.TopicID, t.Partitions = id, t.Partitions[:0]
	return t
}

func (r *fetchRequest) forget(ids []protocol.TopicPartition) {
	r.req.ForgottenTopics = r.req.ForgottenTopics[:0]
	for _, id := range ids {
		n := len(r.req.ForgottenTopics)
		if n == 0 || r.req.ForgottenTopics[n-1].TopicID != id.Topic {
			t := kmsg.NewFetchRequestForgottenTopic()
			t.TopicID = id.Topic
			r.req.ForgottenTopics = append(r.req.ForgottenTopics, t)
			n++
		}
		t := &r.req.ForgottenTopics[n-1]
		t.Partitions = append(t.Partitions, id.Index)
	}
}
