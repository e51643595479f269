package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// markersVersion is the one in which brokers send each other markers.
const markersVersion = 1

// askForMarkers has another broker write markers. An error of the request is that of
// each of them.
func (s *Server) askForMarkers(ctx context.Context, leader protocol.BrokerID, batch []*marking) []error {
	req, places := markersRequest(batch)
	errs := make([]error, len(batch))
	resp, err := s.callers.Call(ctx, leader, req)
	if err == nil {
		err = readMarkersResponse(resp.(*kmsg.WriteTxnMarkersResponse), places, errs)
	}
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// markerPlace is where an answer stands in a response.
type markerPlace struct{ marker, topic, partition int }

// markersRequest gathers the markers of one end, and of one topic. places tells of
// each marking where its answer stands.
func markersRequest(batch []*marking) (req *kmsg.WriteTxnMarkersRequest, places []markerPlace) {
	req = kmsg.NewPtrWriteTxnMarkersRequest()
	req.Version = markersVersion
	var of *ending
	for _, m := range batch {
		if of != m.ending {
			of = m.ending
			e := kmsg.NewWriteTxnMarkersRequestMarker()
			e.ProducerID, e.ProducerEpoch, e.Committed, e.CoordinatorEpoch = m.ID, m.Epoch, m.Commit, int32(m.epoch)
			e.UnknownTags.Set(protocol.TagMarkerNumber, protocol.AppendMarkerNumber(nil, m.Number))
			req.Markers = append(req.Markers, e)
		}
		e := &req.Markers[len(req.Markers)-1]
		if n := len(e.Topics); n == 0 || e.Topics[n-1].Topic != m.partition.Topic {
			e.Topics = append(e.Topics, kmsg.WriteTxnMarkersRequestMarkerTopic{Topic: m.partition.Topic})
		}
		t := &e.Topics[len(e.Topics)-1]
		t.Partitions = append(t.Partitions, m.partition.Index)
		places = append(places, markerPlace{len(req.Markers) - 1, len(e.Topics) - 1, len(t.Partitions) - 1})
	}
	return req, places
}

func readMarkersResponse(resp *kmsg.WriteTxnMarkersResponse, places []markerPlace, errs []error) error {
	for i, at := range places {
		if at.marker >= len(resp.Markers) || at.topic >= len(resp.Markers[at.marker].Topics) ||
			at.partition >= len(resp.Markers[at.marker].Topics[at.topic].Partitions) {
			return errors.New("the answer is not that of the request")
		}
		errs[i] = kerr.ErrorForCode(resp.Markers[at.marker].Topics[at.topic].Partitions[at.partition].ErrorCode)
	}
	return nil
}

// writeTxnMarkers writes the markers that a coordinator asks for. From clients it takes
// those that end what no coordinator knows, see foreignMarker.
func (s *Server) writeTxnMarkers(x *transport.Exchange, req *kmsg.WriteTxnMarkersRequest) kmsg.Response {
	resp := respond[*kmsg.WriteTxnMarkersResponse](req)
	left := new(atomic.Int32)
	left.Store(1)
	end := func() {
		if left.Add(-1) == 0 {
			sendResponse(x, resp)
		}
	}
	resp.Markers = make([]kmsg.WriteTxnMarkersResponseMarker, len(req.Markers))
	for i := range req.Markers {
		m, out := &req.Markers[i], &resp.Markers[i]
		out.ProducerID = m.ProducerID
		out.Topics = make([]kmsg.WriteTxnMarkersResponseMarkerTopic, len(m.Topics))
		write := s.markerWriter(x, m)
		for j := range m.Topics {
			t := &out.Topics[j]
			t.Topic = m.Topics[j].Topic
			t.Partitions = make([]kmsg.WriteTxnMarkersResponseMarkerTopicPartition, len(m.Topics[j].Partitions))
			for k, index := range m.Topics[j].Partitions {
				p := &t.Partitions[k]
				p.Partition = index
				left.Add(1)
				write(t.Topic, index, func(err error) {
					p.ErrorCode = codeOf(err)
					end()
				})
			}
		}
	}
	end()
	return nil
}

// markerWriter is how one marker of a request is written into a partition.
func (s *Server) markerWriter(x *transport.Exchange, m *kmsg.WriteTxnMarkersRequestMarker) func(string, int32, func(error)) {
	marker := replica.Marker{
		Producer: protocol.ProducerID(m.ProducerID), Epoch: protocol.ProducerEpoch(m.ProducerEpoch),
		Commit: m.Committed, CoordinatorEpoch: m.CoordinatorEpoch,
	}
	m.UnknownTags.Each(func(tag uint32, value []byte) {
		if tag == protocol.TagMarkerNumber {
			marker.Number = protocol.ReadMarkerNumber(value)
		}
	})
	refused := func(err error) func(string, int32, func(error)) {
		return func(_ string, _ int32, done func(error)) { done(err) }
	}
	switch {
	case m.ProducerID < 0 || m.ProducerEpoch < 0:
		return refused(fmt.Errorf("%w: there is no producer %d in epoch %d", kerr.InvalidRequest, m.ProducerID, m.ProducerEpoch))
	case marker.Number > 0:
		return func(topic string, index int32, done func(error)) { s.writeMarker(topic, index, marker, done) }
	}
	ctx, cancel := withinDefault(x)
	defer cancel()
	known, err := s.transactionOf(ctx, m.ProducerID)
	if err != nil {
		return refused(fmt.Errorf("%w: whether a coordinator knows the transaction cannot be told: %w", kerr.CoordinatorNotAvailable, err))
	}
	return func(topic string, index int32, done func(error)) {
		s.foreignMarker(x, known, topic, index, marker, done)
	}
}

// writeMarker writes a marker into a partition that this broker leads. done is called
// when it is committed, and what was in the transaction is decided.
func (s *Server) writeMarker(topic string, index int32, m replica.Marker, done func(error)) {
	if topic == offsetsTopic {
		s.groups.endTransaction(index, m, done)
		return
	}
	t := s.hosted.Topic(topic)
	p := t.Partition(index)
	if err := s.whyNotHere(t, index, p); err != nil {
		done(err)
		return
	}
	p.WriteMarker(m, markerTimeoutMs, done)
}

// endTransaction writes a marker into a partition of the offsets topic, and has the
// groups take it in. A repeat leaves the transaction that is open now as it is.
func (g *groups) endTransaction(index int32, m replica.Marker, done func(error)) {
	g.runtime.Serve(index, func(sh *groupShard, err error) {
		if err != nil {
			done(err)
			return
		}
		sh.WriteMarker(m, markerTimeoutMs, func(ended bool, err error) {
			if err == nil && ended {
				sh.Machine().EndTransaction(int64(m.Producer), m.Commit)
			}
			done(err)
		})
	})
}
