package fetching

import (
	"github.com/twmb/franz-go/pkg/kbin"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// The Fetch response is encoded by hand, because its records do not pass
// through memory that kmsg could copy from: they go from the log's file to the
// socket. The layout is Kafka's FetchResponse.json, versions 4 to 17.

const (
	// TopicIDsFrom is the version from which topics go by id.
	TopicIDsFrom = 13

	logStartFrom  = 5
	sessionsFrom  = 7
	preferredFrom = 11
	flexibleFrom  = 12

	// TagDiverging is a partition's tagged field.
	TagDiverging = 0

	tagCurrentLeader = 1 // of a partition
	tagNodeEndpoints = 0 // of the answer

	// inlineMax is up to where an answer's records are gathered with the rest.
	inlineMax = 32 << 10
)

// Encode appends the answer up to the first record bytes that are streamed;
// small answers whole.
func (a *Answer) Encode(dst []byte, h protocol.Header) ([]byte, error) {
	dst = protocol.AppendResponseHeader(dst, h.CorrelationID, h.FlexibleResponse())
	e := encoder{a: a, version: h.Version, flexible: h.Version >= flexibleFrom}
	if e.inline = a.Bytes <= inlineMax; e.inline {
		e.b = dst
		e.encode()
		return e.b, e.failed
	}
	e.b = a.body[:0]
	e.encode()
	a.body, a.cuts = e.b, e.cuts
	return dst, nil
}

type encoder struct {
	a        *Answer
	b        []byte
	version  int16
	flexible bool
	inline   bool // records are gathered with the rest
	cuts     []cut
	failed   error // why records could not be read
}

func (e *encoder) encode() {
	e.b = kbin.AppendInt32(e.b, e.a.ThrottleMs)
	if e.version >= sessionsFrom {
		e.b = kbin.AppendInt16(e.b, e.a.Code)
		e.b = kbin.AppendInt32(e.b, e.a.SessionID)
	}
	e.array(len(e.a.topics))
	part := e.a.Parts
	for i := range e.a.topics {
		rt := &e.a.topics[i]
		switch {
		case e.version >= TopicIDsFrom:
			e.b = append(e.b, rt.id[:]...)
		case e.flexible:
			e.b = kbin.AppendCompactString(e.b, rt.name)
		default:
			e.b = kbin.AppendString(e.b, rt.name)
		}
		e.array(rt.parts)
		for range rt.parts {
			e.partition(&part[0])
			part = part[1:]
		}
		e.noTags()
	}
	if len(e.a.Leaders) > 0 && e.flexible {
		e.nodeEndpoints()
		return
	}
	e.noTags()
}

func (e *encoder) partition(p *Part) {
	e.b = kbin.AppendInt32(e.b, p.Index)
	e.b = kbin.AppendInt16(e.b, p.Code)
	e.b = kbin.AppendInt64(e.b, int64(p.HighWatermark))
	e.b = kbin.AppendInt64(e.b, int64(p.LastStable))
	if e.version >= logStartFrom {
		e.b = kbin.AppendInt64(e.b, int64(p.LogStart))
	}
	e.aborted(p.Aborted)
	if e.version >= preferredFrom {
		e.b = kbin.AppendInt32(e.b, int32(p.Preferred))
	}
	if e.flexible {
		e.b = kbin.AppendUvarint(e.b, uint32(p.Bytes)+1)
	} else {
		e.b = kbin.AppendInt32(e.b, int32(p.Bytes))
	}
	if e.inline {
		e.records(p)
	} else {
		e.cuts = append(e.cuts, cut{len(e.b), p})
	}
	if e.flexible {
		e.partitionTags(p)
	}
}

// aborted appends the aborted transactions, null where nobody asked for them.
func (e *encoder) aborted(all []replica.AbortedTransaction) {
	if all == nil {
		e.array(-1)
		return
	}
	e.array(len(all))
	for _, a := range all {
		e.b = kbin.AppendInt64(e.b, int64(a.Producer))
		e.b = kbin.AppendInt64(e.b, int64(a.First))
		e.noTags()
	}
}

func (e *encoder) records(p *Part) {
	for _, r := range p.Records {
		var err error
		if e.b, err = r.AppendTo(e.b); err != nil {
			p.Source.NoteDamage(err)
			e.failed = err
			return
		}
	}
}

// partitionTags appends the tagged fields, in the order of their numbers.
func (e *encoder) partitionTags(p *Part) {
	count := uint32(0)
	for _, there := range [...]bool{p.Diverging != nil, p.Leader != nil, p.Round > 0} {
		if there {
			count++
		}
	}
	e.b = kbin.AppendUvarint(e.b, count)
	if d := p.Diverging; d != nil {
		e.tag(TagDiverging, 4+8+1)
		e.b = kbin.AppendInt32(e.b, int32(d.Epoch))
		e.b = kbin.AppendInt64(e.b, int64(d.End))
		e.b = append(e.b, 0)
	}
	if l := p.Leader; l != nil {
		e.tag(tagCurrentLeader, 4+4+1)
		e.b = kbin.AppendInt32(e.b, int32(l.Leader))
		e.b = kbin.AppendInt32(e.b, int32(l.Epoch))
		e.b = append(e.b, 0)
	}
	if p.Round > 0 {
		e.tag(TagRound, 8)
		e.b = AppendRound(e.b, p.Round)
	}
}

func (e *encoder) tag(tag uint32, size int) {
	e.b = kbin.AppendUvarint(e.b, tag)
	e.b = kbin.AppendUvarint(e.b, uint32(size))
}

// nodeEndpoints appends where the leaders that the partitions name can be
// reached (KIP-951).
func (e *encoder) nodeEndpoints() {
	nodes := kbin.AppendCompactArrayLen(nil, len(e.a.Leaders))
	for _, n := range e.a.Leaders {
		nodes = kbin.AppendInt32(nodes, n.ID)
		nodes = kbin.AppendCompactString(nodes, n.Host)
		nodes = kbin.AppendInt32(nodes, n.Port)
		nodes = kbin.AppendCompactNullableString(nodes, n.Rack)
		nodes = append(nodes, 0)
	}
	e.b = append(e.b, 1)
	e.tag(tagNodeEndpoints, len(nodes))
	e.b = append(e.b, nodes...)
}

// array appends an array's count; -1 is null.
func (e *encoder) array(n int) {
	if e.flexible {
		e.b = kbin.AppendUvarint(e.b, uint32(n+1))
		return
	}
	e.b = kbin.AppendInt32(e.b, int32(n))
}

func (e *encoder) noTags() {
	if e.flexible {
		e.b = append(e.b, 0)
	}
}
