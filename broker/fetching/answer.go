package fetching

import (
	"iter"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// Answer is the answer to a Fetch.
type Answer struct {
	Version    int16
	ThrottleMs int32 // that the client is to wait
	Code       int16
	SessionID  int32  // 0: none
	Parts      []Part // of the first topic, of the second, ...
	Bytes      int    // of their records
	Leaders    []Node // where those that the parts name as leaders can be reached

	topics []topicParts
	body   []byte // the answer without its records
	cuts   []cut  // where they belong, when they are streamed
}

// topicParts is a topic of it, by id or, in old versions, by name.
type topicParts struct {
	id    protocol.TopicID
	name  string
	parts int
}

// Part is what an answer says of one partition.
type Part struct {
	Index         int32
	Code          int16
	HighWatermark protocol.Offset
	LastStable    protocol.Offset
	LogStart      protocol.Offset
	Diverging     *Divergence                  // nil: the reader's log is a part of this one, as far as is known
	Leader        *LeaderHint                  // who leads instead of this broker
	Preferred     protocol.BrokerID            // who should be read from instead, or NoBroker
	Round         int64                        // of leadership, for a follower; 0: none
	Aborted       []replica.AbortedTransaction // nil: the reader reads all that is committed
	Records       []Records
	Bytes         int          // of Records
	Source        RecordSource // of Records; nil: none were asked for
}

// NewPart is a partition of which nothing is known yet.
func NewPart(index int32) Part {
	return Part{
		Index: index, HighWatermark: protocol.None, LastStable: protocol.None, LogStart: protocol.None, Preferred: protocol.NoBroker,
	}
}

// At has the part tell the source's offsets of this moment.
func (p *Part) At(src RecordSource) {
	p.LastStable = src.Below(Stable) // before the high watermark, which must not be below it
	p.HighWatermark, p.LogStart = src.Below(Committed), src.Start()
}

// below is the offset up to which a reader with that bound may read, by what the
// part tells it.
func (p *Part) below(bound Bound) protocol.Offset {
	if bound == Stable {
		return p.LastStable
	}
	return p.HighWatermark
}

// urgent reports whether the part says what must not wait.
func (p *Part) urgent() bool {
	return p.Code != 0 || p.Diverging != nil || p.Preferred != protocol.NoBroker
}

// Divergence tells a reader where its log parts from this one (KIP-595).
type Divergence struct {
	Epoch protocol.LeaderEpoch
	End   protocol.Offset
}

// LeaderHint is who leads a partition, and in which epoch.
type LeaderHint struct {
	Leader protocol.BrokerID
	Epoch  protocol.LeaderEpoch
}

// Node is a broker and where it can be reached.
type Node struct {
	ID   int32
	Host string
	Port int32
	Rack *string // nil: none
}

// Add appends a partition.
func (a *Answer) Add(id protocol.TopicID, name string, part Part) {
	if n := len(a.topics); n == 0 || a.topics[n-1].id != id || a.topics[n-1].name != name {
		a.topics = append(a.topics, topicParts{id: id, name: name})
	}
	a.topics[len(a.topics)-1].parts++
	a.Parts = append(a.Parts, part)
	a.Bytes += part.Bytes
}

// All are the parts, each with the name of its partition.
func (a *Answer) All() iter.Seq2[Key, *Part] {
	return func(yield func(Key, *Part) bool) {
		parts := a.Parts
		for _, t := range a.topics {
			for i := range parts[:t.parts] {
				if !yield(Key{t.id, t.name, parts[i].Index}, &parts[i]) {
					return
				}
			}
			parts = parts[t.parts:]
		}
	}
}

// Drop takes the records of part i out.
func (a *Answer) Drop(i int) {
	part := &a.Parts[i]
	a.Bytes -= part.Bytes
	part.Release()
	part.Bytes = 0
}

// FirstError is the error that the request is counted under.
func (a *Answer) FirstError() int16 {
	if a.Code != 0 {
		return a.Code
	}
	for i := range a.Parts {
		if a.Parts[i].Code != 0 {
			return a.Parts[i].Code
		}
	}
	return 0
}

// Release lets go of what the records lie in.
func (a *Answer) Release() {
	for i := range a.Parts {
		a.Parts[i].Release()
	}
}

// Release lets go of what the records lie in.
func (p *Part) Release() {
	for _, r := range p.Records {
		r.Close()
	}
	p.Records = nil
}
