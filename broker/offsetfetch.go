package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// The versions of OffsetFetch at which something begins.
const (
	fetchOffsetsError  = 2 // an error of its own; before it, one in each partition
	fetchOffsetsGroups = 8 // several groups at once
	fetchOffsetsMember = 9 // the member that asks, and its epoch (KIP-848)
)

// offsetFetch answers with committed offsets only. One that an open transaction may
// replace is refused to who asks for stable ones. A group or partition without
// an offset is no error: it has offset -1.
func (s *Server) offsetFetch(x *transport.Exchange, req *kmsg.OffsetFetchRequest) kmsg.Response {
	wanted := offsetsWanted(req)
	groups := make([]kmsg.OffsetFetchResponseGroup, len(wanted))
	ids := make([]string, len(wanted))
	for i := range wanted {
		ids[i] = wanted[i].Group
	}
	each := func(i int, sh *groupShard, err error) {
		var found []group.Committed
		if err == nil && req.Version >= fetchOffsetsMember {
			err = sh.Machine().MayFetch(wanted[i].Group, orEmpty(wanted[i].MemberID), wanted[i].MemberEpoch)
		}
		if err == nil {
			found = offsetsOf(sh.Machine().Coordinator, &wanted[i], req.RequireStable)
		}
		groups[i] = fetchedGroup(&wanted[i], found, err)
		if req.RequireStable {
			markUnstable(&groups[i], found)
		}
	}
	done := func(i int, err error) {
		if err != nil {
			groups[i] = fetchedGroup(&wanted[i], nil, err)
		}
	}
	s.groups.serveAll(x, ids, each, done, func() { sendResponse(x, offsetsResponse(req, groups)) })
	return nil
}

// offsetsWanted is the request as versions from 8 on have it.
func offsetsWanted(req *kmsg.OffsetFetchRequest) []kmsg.OffsetFetchRequestGroup {
	if req.Version >= fetchOffsetsGroups {
		return req.Groups
	}
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = req.Group
	if req.Topics != nil {
		g.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for _, t := range req.Topics {
		g.Topics = append(g.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: t.Topic, Partitions: t.Partitions})
	}
	return []kmsg.OffsetFetchRequestGroup{g}
}

// offsetsOf finds what is asked for; no topics at all ask for everything, and with
// stable also for what has only offsets that are not decided.
func offsetsOf(c *group.Coordinator, w *kmsg.OffsetFetchRequestGroup, stable bool) []group.Committed {
	if w.Topics == nil {
		return c.FetchAll(w.Group, stable)
	}
	var asked []group.TopicPartition
	for _, t := range w.Topics {
		for _, p := range t.Partitions {
			asked = append(asked, group.TopicPartition{Topic: t.Topic, Partition: p})
		}
	}
	return c.Fetch(w.Group, asked)
}

// fetchedGroup gathers neighbouring partitions of one topic.
func fetchedGroup(w *kmsg.OffsetFetchRequestGroup, found []group.Committed, err error) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group, out.ErrorCode = w.Group, codeOf(err)
	out.Topics = []kmsg.OffsetFetchResponseGroupTopic{}
	for i := range found {
		f := &found[i]
		if n := len(out.Topics); n == 0 || out.Topics[n-1].Topic != f.Topic {
			out.Topics = append(out.Topics, kmsg.OffsetFetchResponseGroupTopic{Topic: f.Topic})
		}
		t := &out.Topics[len(out.Topics)-1]
		t.Partitions = append(t.Partitions, kmsg.OffsetFetchResponseGroupTopicPartition{
			Partition: f.Partition, Offset: f.Offset.Offset, LeaderEpoch: f.LeaderEpoch, Metadata: &f.Metadata,
		})
	}
	return out
}

// markUnstable refuses offsets that an open transaction may replace (KIP-447).
func markUnstable(out *kmsg.OffsetFetchResponseGroup, found []group.Committed) {
	i := 0
	for t := range out.Topics {
		for p := range out.Topics[t].Partitions {
			if o := &out.Topics[t].Partitions[p]; found[i].Undecided {
				o.Offset, o.LeaderEpoch, o.Metadata, o.ErrorCode = -1, -1, new(string), kerr.UnstableOffsetCommit.Code
			}
			i++
		}
	}
}

// offsetsResponse is the answer in the request's version.
func offsetsResponse(req *kmsg.OffsetFetchRequest, groups []kmsg.OffsetFetchResponseGroup) kmsg.Response {
	resp := respond[*kmsg.OffsetFetchResponse](req)
	if req.Version >= fetchOffsetsGroups {
		resp.Groups = groups
		return resp
	}
	g := &groups[0]
	resp.ErrorCode = g.ErrorCode
	resp.Topics = []kmsg.OffsetFetchResponseTopic{}
	for _, t := range g.Topics {
		rt := kmsg.OffsetFetchResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			rt.Partitions = append(rt.Partitions, kmsg.OffsetFetchResponseTopicPartition{
				Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata, ErrorCode: p.ErrorCode,
			})
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if req.Version < fetchOffsetsError && g.ErrorCode != 0 {
		resp.Topics = refusedOffsets(req, g.ErrorCode)
	}
	return resp
}

func refusedOffsets(req *kmsg.OffsetFetchRequest, code int16) (topics []kmsg.OffsetFetchResponseTopic) {
	for _, t := range req.Topics {
		rt := kmsg.OffsetFetchResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			rt.Partitions = append(rt.Partitions, kmsg.OffsetFetchResponseTopicPartition{
				Partition: p, Offset: -1, LeaderEpoch: -1, Metadata: new(string), ErrorCode: code,
			})
		}
		topics = append(topics, rt)
	}
	return topics
}
