package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
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

// listOffsets answers for consumers, up to the high watermark or, for those that
// read committed transactions only, up to the last stable offset; where this
// broker leads: a follower may be behind. A client that calls itself a replica
// sees no more than others. Times are those of data records: Kafka answers with
// the markers of transactions as well, which nobody can read.
//
// An answer that says where the log ends, or that it holds no such record, is
// given with a proof that this broker leads (see partitions.LeadershipProof): a leader that was deposed
// and has not heard of it would tell an end behind which others have been
// acknowledged, and whoever goes on from there would miss them.
func (s *Server) listOffsets(_ *transport.Exchange, req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := respond[*kmsg.ListOffsetsResponse](req)
	named := namedPartitions(req)
	resp.Topics = make([]kmsg.ListOffsetsResponseTopic, len(req.Topics))
	var unproven []unprovenOffset
	for i := range req.Topics {
		rt, out := &req.Topics[i], &resp.Topics[i]
		out.Topic = rt.Topic
		out.Partitions = make([]kmsg.ListOffsetsResponseTopicPartition, len(rt.Partitions))
		t := s.hosted.Topic(rt.Topic)
		for j := range rt.Partitions {
			rp, o := &rt.Partitions[j], &out.Partitions[j]
			at, err := nowhere, error(kerr.InvalidRequest)
			if named[namedPartition{rt.Topic, rp.Partition}] == 1 {
				at, err = s.offsetFor(t, rp, req)
			}
			o.Partition = rp.Partition
			if err == nil && at.unproven {
				unproven = append(unproven, unprovenOffset{o, at, t.Partition(rp.Partition).ProveLeadership(at.asked)})
				continue
			}
			at.tell(o, err)
		}
	}
	for _, u := range unproven {
		u.at.tell(u.out, u.proof.Wait())
	}
	return resp
}

// unprovenOffset is an answer that waits for its proof.
type unprovenOffset struct {
	out   *kmsg.ListOffsetsResponseTopicPartition
	at    foundOffset
	proof partitions.LeadershipProof
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

	unproven bool                 // it needs a proof that this broker leads, and did
	asked    protocol.LeaderEpoch // in this epoch
}

// tell puts the answer into the response.
func (at foundOffset) tell(out *kmsg.ListOffsetsResponseTopicPartition, err error) {
	if err != nil {
		at = nowhere
	}
	out.ErrorCode, out.Offset, out.Timestamp, out.LeaderEpoch = codeOf(err), int64(at.offset), at.timestamp, int32(at.epoch)
}

// nowhere answers that there is no such offset.
var nowhere = foundOffset{offset: -1, timestamp: -1, epoch: -1}

func (s *Server) offsetFor(t *partitions.Topic, rp *kmsg.ListOffsetsRequestTopicPartition, req *kmsg.ListOffsetsRequest) (foundOffset, error) {
	if rp.Timestamp < 0 {
		if since, ok := specialTimes[rp.Timestamp]; !ok || req.Version < since {
			return nowhere, fmt.Errorf("%w: timestamp %d", kerr.UnsupportedVersion, rp.Timestamp)
		}
	}
	bound := boundOf(req.IsolationLevel)
	if p := t.Partition(rp.Partition); p != nil && p.Prefix != nil {
		return prefixOffset(p, rp.Timestamp, bound)
	}
	p, err := s.readable(t, rp.Partition, rp.CurrentLeaderEpoch)
	if err != nil {
		return nowhere, err
	}
	asked := p.Epoch()
	switch rp.Timestamp {
	case timeLatest:
		end, err := p.CommittedEnd()
		if err == nil {
			end = fetching.Log{Partition: p}.Below(bound)
		}
		return foundOffset{offset: end, timestamp: -1, epoch: asked, unproven: true, asked: asked}, err
	case timeEarliest, timeEarliestLocal:
		return earliest(p), nil
	case timeLatestTiered:
		return nowhere, nil
	case timeMax:
		at, err := below(p, bound, p.Log().MaxTimestamp)
		at.unproven, at.asked = true, asked
		return at, err
	default:
		at, err := below(p, bound, func() (protocol.Offset, int64, protocol.LeaderEpoch, bool, error) {
			return p.Log().OffsetForTime(rp.Timestamp)
		})
		at.unproven, at.asked = at.offset < 0, asked // what is found is committed, and the first
		return at, err
	}
}

// readable returns a partition that is led here and can be read from, by a
// client that goes by the given leader epoch.
func (s *Server) readable(t *partitions.Topic, index, epoch int32) (*partitions.Partition, error) {
	p, err := s.led(t, index)
	if err != nil {
		return nil, err
	}
	return p, checkEpoch(p, epoch)
}

// led returns a partition that this broker leads, and has no reason to think that
// another leads by now.
func (s *Server) led(t *partitions.Topic, index int32) (*partitions.Partition, error) {
	p := t.Partition(index)
	if err := s.whyNotHere(t, index, p); err != nil {
		return nil, err
	}
	if err := p.Damage(); err != nil {
		return nil, err
	}
	if st := p.State(); st.Role != replica.RoleLeader || st.SteppedAside {
		return nil, replica.ErrNotLeader
	}
	return p, nil
}

// earliest is the log's start. Where nothing is left, the next record will be
// of the current epoch.
func earliest(p *partitions.Partition) foundOffset {
	start := p.Start()
	epoch := p.Log().EpochAt(start)
	if start == p.End() || epoch < 0 {
		epoch = p.Epoch()
	}
	return foundOffset{offset: start, timestamp: -1, epoch: epoch}
}

// below looks for a record and forgets what it finds at or above the bound.
func below(p *partitions.Partition, bound fetching.Bound, look func() (protocol.Offset, int64, protocol.LeaderEpoch, bool, error)) (foundOffset, error) {
	end := fetching.Log{Partition: p}.Below(bound)
	offset, timestamp, epoch, ok, err := look()
	if err != nil {
		if partitions.IsCorrupt(err) {
			p.NoteDamage(err)
		}
		return nowhere, err
	}
	if !ok || offset >= end {
		return nowhere, nil
	}
	return foundOffset{offset: offset, timestamp: timestamp, epoch: epoch}, nil
}
