package replication

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// errAnswerShape: the bytes are no Fetch answer of the version that was asked for.
var errAnswerShape = errors.New("malformed Fetch answer")

// fetchAnswer is a leader's answer, taken apart. Its records are slices of the
// bytes that it was decoded from.
//
// It is decoded by hand: kmsg would believe the counts of a peer that lies, and
// allocate for each topic and partition.
type fetchAnswer struct {
	code  int16
	parts []answerPart
}

// answerPart is one partition of it.
type answerPart struct {
	id      protocol.TopicPartition
	answer  replica.FetchAnswer
	records []byte
	to      *replica.Partition // who waits for it; set by deliver
}

// decode takes in the answer to request k.
func (a *fetchAnswer) decode(b []byte, k int32) error {
	clear(a.parts)
	a.parts = a.parts[:0]
	r := kbin.Reader{Src: b}
	if id := r.Int32(); id != k {
		return fmt.Errorf("%w: it answers request %d, and %d was due", errAnswerShape, id, k)
	}
	skipTags(&r, nil)
	r.Int32() // throttle
	a.code = r.Int16()
	r.Int32() // session
	for range count(&r) {
		topic := protocol.TopicID(r.Uuid())
		for range count(&r) {
			if !r.Ok() || len(a.parts) == 2*listedMax {
				return errAnswerShape
			}
			a.parts = append(a.parts, answerPart{id: protocol.TopicPartition{Topic: topic}})
			a.parts[len(a.parts)-1].decode(&r)
		}
		skipTags(&r, nil)
	}
	skipTags(&r, nil)
	if !r.Ok() || len(r.Src) > 0 {
		return errAnswerShape
	}
	return nil
}

func (p *answerPart) decode(r *kbin.Reader) {
	p.id.Index = r.Int32()
	if code := r.Int16(); code != 0 {
		p.answer.Err = errorOf(code)
	}
	p.answer.HighWatermark = protocol.Offset(r.Int64())
	r.Int64() // last stable offset
	p.answer.LogStart = protocol.Offset(r.Int64())
	for range count(r) { // aborted transactions
		r.Span(16)
		skipTags(r, nil)
	}
	r.Int32() // preferred replica
	p.records = r.CompactNullableBytes()
	skipTags(r, func(tag uint32, value []byte) {
		v := kbin.Reader{Src: value}
		switch tag {
		case fetching.TagDiverging:
			p.answer.Diverging = true
			p.answer.DivergingEpoch = protocol.LeaderEpoch(v.Int32())
			p.answer.DivergingEnd = protocol.Offset(v.Int64())
		case fetching.TagRound:
			p.answer.Round = fetching.ParseRound(value)
		}
		if !v.Ok() {
			r.Span(-1) // makes r bad
		}
	})
}

// count reads an array's length: 0 for null, and for one that cannot be.
func count(r *kbin.Reader) int { return max(0, int(r.CompactArrayLen())) }

// skipTags reads a tag section; each value is given to f, if that is not nil. A
// tag takes two bytes at least.
func skipTags(r *kbin.Reader, f func(tag uint32, value []byte)) {
	n := int(r.Uvarint())
	if n > len(r.Src)/2 {
		r.Span(-1)
		return
	}
	for range n {
		tag := r.Uvarint()
		value := r.Span(int(r.Uvarint()))
		if r.Ok() && f != nil {
			f(tag, value)
		}
	}
}
