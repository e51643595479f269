package group

import "math"

// The records of the offsets topic are Kafka's, so that its tools read them.
// Numbers are big-endian; a string is an int16 length (-1 null) and bytes, bytes
// an int32 length and bytes, an array an int32 count and elements.
//
//	key of an offset        version 0 or 1 │ group string │ topic string │ partition int32
//	key of a group          version 2      │ group string
//
//	offset v1   version │ offset int64 │ metadata string │ commit int64 │ expire int64
//	offset v3   version │ offset int64 │ leader epoch int32 │ metadata string │ commit int64
//
//	group v3    version │ protocol type string │ generation int32 │ protocol string? │ leader string?
//	            │ state since int64 │ members array of
//	              member string │ instance string? │ client id string │ client host string
//	              │ rebalance ms int32 │ session ms int32 │ subscription bytes │ assignment bytes
//
// Older versions lack fields; version 4 of both has Kafka's compact lengths and
// tags. All versions up to 4 are read. Offsets are written in v1 when their
// committer set how long they are kept, else in v3; groups in v3.
const (
	keyOffsetMax   = 1
	keyGroup       = 2
	keyEpoch       = 3
	keyTopics      = 4
	keyMember      = 5
	keyTargetEpoch = 6
	keyTarget      = 7
	keyCurrent     = 8

	offsetExpires   = 1 // has the time to expire; no other version does
	offsetWritten   = 3 // since here: leader epoch
	offsetCompact   = 4
	groupRebalance  = 1 // since here: the rebalance timeout
	groupStateSince = 2
	groupWritten    = 3 // since here: instance ids
	groupCompact    = 4
)

func offsetKey(group string, tp TopicPartition) []byte {
	w := writer{}
	w.int16(keyOffsetMax)
	w.str(group)
	w.str(tp.Topic)
	w.int32(tp.Partition)
	return w.b
}

func groupKey(group string) []byte {
	w := writer{}
	w.int16(keyGroup)
	w.str(group)
	return w.b
}

func offsetValue(o Offset) []byte {
	w := writer{}
	if o.ExpireMs >= 0 {
		w.int16(offsetExpires)
		w.int64(o.Offset)
		w.str(o.Metadata)
		w.int64(o.CommitMs)
		w.int64(o.ExpireMs)
		return w.b
	}
	w.int16(offsetWritten)
	w.int64(o.Offset)
	w.int32(o.LeaderEpoch)
	w.str(o.Metadata)
	w.int64(o.CommitMs)
	return w.b
}

func (g *group) value() []byte {
	w := writer{}
	w.int16(groupWritten)
	w.str(g.protocolType)
	w.int32(g.generation)
	w.nullable(g.protocol)
	w.nullable(g.leader)
	w.int64(g.stateSinceMs)
	w.int32(int32(len(g.members)))
	for _, m := range g.members {
		w.str(m.id)
		w.nullable(m.instance)
		w.str(m.clientID)
		w.str(m.host)
		w.int32(int32(min(m.rebalanceMs, math.MaxInt32)))
		w.int32(int32(min(m.sessionMs, math.MaxInt32)))
		w.bytes(m.metadata(g.protocol))
		w.bytes(m.assignment)
	}
	return w.b
}

// appendGroup writes the group as it is.
func (c *Coordinator) appendGroup(g *group) {
	g.written = true
	c.append(Record{groupKey(g.id), g.value()})
}
