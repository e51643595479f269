package client

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// shipment is a batch that was given its sequence. It is sent, in the same
// bytes, until it is known what became of it. Its lane owns it.
//
//	flying ──► done                      verdicts came
//	  ▲  ├──► again ──┐                  no answer, or one that asks to try again
//	  └──┼────────────┤
//	     ├──► disordered                 a batch before it is missing, to the broker
//	     └──► failed                     it is not in the log and cannot be
type shipment struct {
	appends []*pending
	bytes   []byte
	records int32
	state   state
	cause   error // of failed, and why it is sent again
	culprit int32 // of failed: the record to blame; -1 for none

	// doubt: a request that carried it has ended without an answer that settles
	// it. That request may still be executed.
	doubt bool
	// first: nothing before it was unsettled when it was last sent, so that a
	// broker that finds it disordered has lost the sequence.
	first bool
}

type state uint8

const (
	flying state = iota
	done
	again
	disordered
	failed
)

// build makes the batch.
func (s *shipment) build(b *record.Builder, o *options, id protocol.ProducerID, epoch protocol.ProducerEpoch, seq protocol.Sequence) error {
	b.Reset(o.codec)
	b.Producer(id, epoch, seq)
	for _, p := range s.appends {
		for _, r := range p.records {
			b.Add(r)
		}
	}
	s.records = b.Count()
	bytes, err := b.Build()
	s.bytes = bytes
	return err
}

// answer gives each append its verdict.
func (s *shipment) answer(base protocol.Offset, verdicts []protocol.Verdict) {
	first := int32(0)
	for _, p := range s.appends {
		n := int32(len(p.records))
		for len(verdicts) > 0 && verdicts[0].First < first {
			verdicts = verdicts[1:]
		}
		switch {
		case len(verdicts) == 0 || verdicts[0].First >= first+n:
			p.finish(Result{int64(base) + int64(first), int(n), false}, nil)
		case verdicts[0].Refusal == "":
			p.finish(Result{int64(verdicts[0].At), int(n), true}, nil)
		default:
			p.refused(first, verdicts[0].Refusal)
		}
		first += n
	}
}

// blamed is the append that holds the culprit; -1 for none.
func (s *shipment) blamed() (place int, first int32) {
	for i, p := range s.appends {
		n := int32(len(p.records))
		if first <= s.culprit && s.culprit < first+n {
			return i, first
		}
		first += n
	}
	return -1, 0
}
