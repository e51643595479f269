package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/protocol"
)

// followRequest makes a fetcher's requests, one after the other, in the same
// memory. Only the writing goroutine uses it.
type followRequest struct {
	w      *fetcher
	format *kmsg.RequestFormatter
	req    kmsg.FetchRequest
	buf    []byte
	from   protocol.BrokerEpoch // the broker epoch that the latest fetch was made in
}

func newFollowRequest(w *fetcher) *followRequest {
	s := w.all.srv
	r := &followRequest{w: w, req: kmsg.NewFetchRequest(), from: s.cluster.BrokerEpoch()}
	r.format = kmsg.NewRequestFormatter(kmsg.FormatterClientID(s.peerClientID()))
	r.req.Version = peerFetchVersion
	r.req.ClusterID = kmsg.StringPtr(s.cluster.Image().ClusterID)
	r.req.ReplicaState.ID = int32(s.cfg.NodeID)
	r.req.MaxWaitMillis, r.req.MinBytes = int32(peerWait.Milliseconds()), 1
	return r
}

// make returns the next request as a frame, good until the next call. It lists
// what is pending.
func (r *followRequest) make(talk int) []byte {
	w := r.w
	w.all.mu.Lock()
	k := w.sent
	w.sent++
	bytesMax := min(peerAnswerBytes, w.room())
	w.asked[k%peerInFlight] = bytesMax
	r.forget(w.forgotten)
	w.forgotten = w.forgotten[:0]
	r.list(k, talk)
	w.all.mu.Unlock()
	r.req.SessionEpoch, r.req.MaxBytes, r.req.ReplicaState.Epoch = k, int32(bytesMax), int64(r.from)
	r.buf = r.format.AppendRequest(r.buf[:0], &r.req, k)
	return r.buf
}

// list moves pending fetches into the request. All of one request are of one
// epoch of this broker; those of another wait for the next.
func (r *followRequest) list(k int32, talk int) {
	w := r.w
	r.req.Topics = r.req.Topics[:0]
	listed, kept := 0, w.pending[:0]
	for _, fo := range w.pending {
		switch {
		case fo.state != followWants:
			fo.pending = false // it has left
			continue
		case listed == peerListedMax, listed > 0 && fo.fetch.From.BrokerEpoch != r.from:
			kept = append(kept, fo)
			continue
		}
		r.from = fo.fetch.From.BrokerEpoch
		fo.state, fo.request, fo.talk, fo.pending = followListed, k, talk, false
		r.add(fo)
		listed++
	}
	clear(w.pending[len(kept):])
	w.pending = kept
	if listed == 0 {
		r.from = max(r.from, w.all.srv.cluster.BrokerEpoch())
	}
}

func (r *followRequest) add(fo *followed) {
	id := fo.p.ID()
	t := r.topic(id.Topic)
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.PartitionMaxBytes = id.Index, peerPartitionBytes
	rp.CurrentLeaderEpoch, rp.FetchOffset, rp.LastFetchedEpoch = int32(fo.fetch.Epoch), int64(fo.fetch.Offset), int32(fo.fetch.LastEpoch)
	rp.LogStartOffset, rp.HighWatermark = int64(fo.p.Start()), int64(fo.p.HighWatermark())
	if fo.fetch.Round > 0 {
		rp.UnknownTags.Set(fetching.TagRound, fetching.AppendRound(nil, fo.fetch.Round))
	}
	t.Partitions = append(t.Partitions, rp)
}

// topic is the request's last topic, if it is the one, or a new one.
func (r *followRequest) topic(id protocol.TopicID) *kmsg.FetchRequestTopic {
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

func (r *followRequest) forget(ids []protocol.TopicPartition) {
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
