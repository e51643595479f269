package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/admin"
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
)

// metricsOf are those of a hosted topic.
func metricsOf(t *partitions.Topic) *admin.TopicMetrics { return t.Metrics.(*admin.TopicMetrics) }

// countAnswer counts a request whose answer was sent.
func (s *Server) countAnswer(x *transport.Exchange) {
	if f, ok := x.Answer().(*fetched); ok {
		f.count()
	}
	code := int16(0)
	if e, ok := x.Answer().(interface{ FirstError() int16 }); ok {
		code = e.FirstError()
	}
	s.metrics.Answered(x.Header.Key, time.Since(x.Began), code)
}

// FirstError is the error that the request is counted under.
func (p *producing) FirstError() int16 {
	for i := range p.parts {
		switch r := &p.parts[i].Result; {
		case r.Refusal != nil:
			return refusalCode(r.Refusal)
		case r.Err != nil:
			return codeOf(r.Err)
		}
	}
	return 0
}

// FirstError is the error that a request about groups is counted under.
func (m message) FirstError() int16 {
	switch r := m.Response.(type) {
	case *kmsg.JoinGroupResponse:
		return r.ErrorCode
	case *kmsg.SyncGroupResponse:
		return r.ErrorCode
	case *kmsg.HeartbeatResponse:
		return r.ErrorCode
	case *kmsg.LeaveGroupResponse:
		return r.ErrorCode
	case *kmsg.ListGroupsResponse:
		return r.ErrorCode
	case *kmsg.OffsetDeleteResponse:
		return r.ErrorCode
	case *kmsg.OffsetCommitResponse:
		return firstCommitError(r)
	}
	return 0
}

func firstCommitError(r *kmsg.OffsetCommitResponse) int16 {
	for i := range r.Topics {
		for j := range r.Topics[i].Partitions {
			if code := r.Topics[i].Partitions[j].ErrorCode; code != 0 {
				return code
			}
		}
	}
	return 0
}
