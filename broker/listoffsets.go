package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// The timestamps that stand for a place rather than for a time.
const (
	timeLatest        = -1
	timeEarliest      = -2
	timeMax           = -3 // the greatest timestamp (KIP-734)
	timeEarliestLocal = -4 // the earliest on this broker's own disk (KIP-405)
	timeLatestTiered  = -5 // the latest in remote storage (KIP-1005)
)

// specialTimes says from which version of ListOffsets on each may be asked for.
var specialTimes = map[int64]int16{
	timeLatest: 1, timeEarliest: 1, timeMax: 7, timeEarliestLocal: 8, timeLatestTiered: 9,
}

var _ = serves(protocol.KeyListOffsets, (*Server).listOffsets)

// listOffsets answers for consumers, up to the high watermark, where this broker
// leads: a follower may be behind. There are no transactions yet, so that the
// last stable offset is the same; and a client that calls itself a replica sees
// no more than others.
func (s *Server) listOffsets(_ *exchange, req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := respond[*kmsg.ListOffsetsResponse](req)
	named := namedPartitions(req)
	resp.Topics = make([]kmsg.ListOffsetsResponseTopic, len(req.Topics))
	for i := range req.Topics {
		rt, out := &req.Topics[i], &resp.Topics[i]
		out.Topic = rt.Topic
		out.Partitions = make([]kmsg.ListOffsetsResponseTopicPartition, len(rt.Partitions))
		t := s.hosted.topic(rt.Topic)
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			at, err := nowhere, error(kerr.InvalidRequest)
			if named[namedPartition{rt.Topic, rp.Partition}] == 1 {
				at, err = s.offsetFor(t, rp, req.Version)
			}
			out.Partitions[j] = kmsg.ListOffsetsResponseTopicPartition{
				Partition: rp.Partition, ErrorCode: codeOf(err),
				Offset: int64(at.offset), Timestamp: at.timestamp, LeaderEpoch: int32(at.epoch),
			}
		}
	}
	return resp
}

// namedPartition is a partition as a request names it.
type namedPartition struct {
	topic string
	index int32
}

// namedPartitions counts how often each partition is asked for: Kafka refuses
// those that are asked for twice.
func namedPartitions(req *kmsg.ListOffsetsRequest) tally[namedPartition] {
	named := tally[namedPartition]{}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			named[namedPartition{req.Topics[i].Topic, req.Topics[i].Partitions[j].Partition}]++
		}
	}
	return named
}

// foundOffset is the answer for one partition.
type foundOffset struct {
	offset    protocol.Offset
	timestamp int64
	epoch     protocol.LeaderEpoch
}

// nowhere answers that there is no such offset.
var nowhere = foundOffset{offset: -1, timestamp: -1, epoch: -1}

func (s *Server) offsetFor(t *topic, rp *kmsg.ListOffsetsRequestTopicPartition, version int16) (foundOffset, error) {
	if rp.Timestamp < 0 {
		if since, ok := specialTimes[rp.Timestamp]; !ok || version < since {
			return nowhere, fmt.Errorf("%w: timestamp %d", kerr.UnsupportedVersion, rp.Timestamp)
		}
	}
	p, err := s.readable(t, rp.Partition, rp.CurrentLeaderEpoch)
	if err != nil {
		return nowhere, err
	}
	switch rp.Timestamp {
	case timeLatest:
		end, err := p.CommittedEnd()
		if err != nil {
			return nowhere, err
		}
		return foundOffset{end, -1, p.Epoch()}, nil
	case timeEarliest, timeEarliestLocal:
		return p.earliest(), nil
	case timeLatestTiered:
		return nowhere, nil
	case timeMax:
		return p.below(p.HighWatermark(), p.Log().MaxTimestamp)
	default:
		return p.below(p.HighWatermark(), func() (protocol.Offset, int64, protocol.LeaderEpoch, bool, error) {
			return p.Log().OffsetForTime(rp.Timestamp)
		})
	}
}

// readable returns a partition that is led here and can be read from, by a
// client that goes by the given leader epoch.
func (s *Server) readable(t *topic, index, epoch int32) (*partition, error) {
	p, err := s.led(t, index)
	if err != nil {
		return nil, err
	}
	return p, p.checkEpoch(epoch)
}

// led returns a partition that this broker leads, and has no reason to think that
// another leads by now.
func (s *Server) led(t *topic, index int32) (*partition, error) {
	p := t.partition(index)
	if err := s.whyNotHere(t, index, p); err != nil {
		return nil, err
	}
	if err := p.damage(); err != nil {
		return nil, err
	}
	if st := p.State(); st.Role != replica.RoleLeader || st.Doubted {
		return nil, replica.ErrNotLeader
	}
	return p, nil
}

// earliest is the log's start. Where nothing is left, the next record will be
// of the current epoch.
func (p *partition) earliest() foundOffset {
	start := p.Start()
	epoch := p.Log().EpochAt(start)
	if start == p.End() || epoch < 0 {
		epoch = p.Epoch()
	}
	return foundOffset{start, -1, epoch}
}

// below looks for a record and forgets what it finds at or above the bound.
func (p *partition) below(bound protocol.Offset, look func() (protocol.Offset, int64, protocol.LeaderEpoch, bool, error)) (foundOffset, error) {
	offset, timestamp, epoch, ok, err := look()
	if err != nil {
		if isCorrupt(err) {
			p.damaged(err)
		}
		return nowhere, err
	}
	if !ok || offset >= bound {
		return nowhere, nil
	}
	return foundOffset{offset, timestamp, epoch}, nil
}
