package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"

	"github.com/lockstep-log/lockstep/protocol"
)

// The Fetch response is encoded by hand, because its records do not pass
// through memory that kmsg could copy from: they go from the log's file to the
// socket. The layout is Kafka's FetchResponse.json, versions 4 to 17.

const (
	fetchFlexible         = 12
	fetchSessions         = 7
	fetchLogStart         = 5
	fetchPreferredReplica = 11

	tagDiverging     = 0 // of a partition
	tagCurrentLeader = 1 // of a partition
	tagNodeEndpoints = 0 // of the answer
	// inlineMax is up to where an answer's records are gathered with the rest.
	inlineMax = 32 << 10
)

// appendTo appends the answer up to the first record bytes that are streamed;
// small answers whole.
func (f *fetched) appendTo(dst []byte, h protocol.Header) ([]byte, error) {
	dst = protocol.AppendResponseHeader(dst, h.CorrelationID, h.FlexibleResponse())
	e := fetchEncoder{f: f, version: h.Version, flexible: h.Version >= fetchFlexible}
	if e.inline = f.bytes <= inlineMax; e.inline {
		e.b = dst
		e.encode()
		return e.b, e.failed
	}
	e.b = f.body[:0]
	e.encode()
	f.body, f.cuts = e.b, e.cuts
	return dst, nil
}

// tailSize is what writeTail will write.
func (f *fetched) tailSize() int {
	if f.cuts == nil {
		return 0
	}
	return len(f.body) + f.bytes
}

// writeTail writes body and records in turn.
func (f *fetched) writeTail(c *conn) error {
	return f.writeTailUnless(c, func() error { return nil })
}

// writeTailUnless is writeTail, which asks once more before the last bytes.
func (f *fetched) writeTailUnless(c *conn, spoilt func() error) error {
	at := 0
	for _, cut := range f.cuts {
		if _, err := c.Write(f.body[at:cut.at]); err != nil {
			return err
		}
		at = cut.at
		for _, r := range cut.part.ranges {
			if err := sendRange(c, r); err != nil {
				if isCorrupt(err) {
					cut.part.host.damaged(err)
				}
				return fmt.Errorf("send records: %w", err)
			}
		}
	}
	if err := spoilt(); err != nil {
		return err
	}
	_, err := c.Write(f.body[at:])
	return err
}

// cut is a place in the body where a partition's records belong.
type cut struct {
	at   int
	part *fetchedPart
}

type fetchEncoder struct {
	f        *fetched
	b        []byte
	version  int16
	flexible bool
	inline   bool // records are gathered with the rest
	cuts     []cut
	failed   error // why records could not be read
}

func (e *fetchEncoder) encode() {
	e.b = kbin.AppendInt32(e.b, 0) // throttle
	if e.version >= fetchSessions {
		e.b = kbin.AppendInt16(e.b, e.f.code)
		e.b = kbin.AppendInt32(e.b, 0) // session: declined
	}
	e.array(len(e.f.topics))
	part := e.f.parts
	for i := range e.f.topics {
		rt := &e.f.topics[i]
		switch {
		case e.version >= fetchTopicIDs:
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
	if len(e.f.leaders) > 0 && e.flexible {
		e.nodeEndpoints()
		return
	}
	e.noTags()
}

func (e *fetchEncoder) partition(p *fetchedPart) {
	e.b = kbin.AppendInt32(e.b, p.index)
	e.b = kbin.AppendInt16(e.b, p.code)
	e.b = kbin.AppendInt64(e.b, int64(p.hw))
	e.b = kbin.AppendInt64(e.b, int64(p.hw)) // last stable offset: there are no transactions
	if e.version >= fetchLogStart {
		e.b = kbin.AppendInt64(e.b, int64(p.start))
	}
	e.array(-1) // aborted transactions
	if e.version >= fetchPreferredReplica {
		e.b = kbin.AppendInt32(e.b, int32(p.nearest))
	}
	if e.flexible {
		e.b = kbin.AppendUvarint(e.b, uint32(p.bytes)+1)
	} else {
		e.b = kbin.AppendInt32(e.b, int32(p.bytes))
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

func (e *fetchEncoder) records(p *fetchedPart) {
	for _, r := range p.ranges {
		var err error
		if e.b, err = r.AppendTo(e.b); err != nil {
			p.host.damaged(err)
			e.failed = err
			return
		}
	}
}

// partitionTags appends the tagged fields, in the order of their numbers.
func (e *fetchEncoder) partitionTags(p *fetchedPart) {
	count := uint32(0)
	for _, there := range [...]bool{p.diverging != nil, p.leader != nil, p.round > 0} {
		if there {
			count++
		}
	}
	e.b = kbin.AppendUvarint(e.b, count)
	if d := p.diverging; d != nil {
		e.tag(tagDiverging, 4+8+1)
		e.b = kbin.AppendInt32(e.b, int32(d.epoch))
		e.b = kbin.AppendInt64(e.b, int64(d.end))
		e.b = append(e.b, 0)
	}
	if l := p.leader; l != nil {
		e.tag(tagCurrentLeader, 4+4+1)
		e.b = kbin.AppendInt32(e.b, int32(l.leader))
		e.b = kbin.AppendInt32(e.b, int32(l.epoch))
		e.b = append(e.b, 0)
	}
	if p.round > 0 {
		e.tag(tagRound, 8)
		e.b = appendRound(e.b, p.round)
	}
}

func (e *fetchEncoder) tag(tag uint32, size int) {
	e.b = kbin.AppendUvarint(e.b, tag)
	e.b = kbin.AppendUvarint(e.b, uint32(size))
}

// nodeEndpoints appends where the leaders that the partitions name can be
// reached (KIP-951).
func (e *fetchEncoder) nodeEndpoints() {
	nodes := kbin.AppendCompactArrayLen(nil, len(e.f.leaders))
	for _, n := range e.f.leaders {
		nodes = kbin.AppendInt32(nodes, n.id)
		nodes = kbin.AppendCompactString(nodes, n.host)
		nodes = kbin.AppendInt32(nodes, n.port)
		nodes = kbin.AppendCompactNullableString(nodes, n.rack)
		nodes = append(nodes, 0)
	}
	e.b = append(e.b, 1)
	e.tag(tagNodeEndpoints, len(nodes))
	e.b = append(e.b, nodes...)
}

// array appends an array's count; -1 is null.
func (e *fetchEncoder) array(n int) {
	if e.flexible {
		e.b = kbin.AppendUvarint(e.b, uint32(n+1))
		return
	}
	e.b = kbin.AppendInt32(e.b, int32(n))
}

func (e *fetchEncoder) noTags() {
	if e.flexible {
		e.b = append(e.b, 0)
	}
}
