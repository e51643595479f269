package broker

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// readTags reads whether the producer asks for a verdict per append, and by which
// leader epoch it goes.
func (part *producePart) readTags(tags *kmsg.Tags) (err error) {
	part.epoch = -1
	if tags.Len() == 0 {
		return nil
	}
	tags.Each(func(tag uint32, value []byte) {
		switch tag {
		case protocol.TagVerdicts:
			part.PerAppend, part.judged = true, true
			err = errors.Join(err, protocol.VerdictsAsked(value))
		case protocol.TagLeaderEpoch:
			var wrong error
			part.epoch, wrong = protocol.ReadLeaderEpoch(value)
			err = errors.Join(err, wrong)
		case protocol.TagJudged:
			part.judged = true
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", kerr.InvalidRequest, err)
	case part.PerAppend && part.Acks != replica.AcksAll:
		return fmt.Errorf("%w: a verdict per append needs acks=all", kerr.InvalidRequiredAcks)
	}
	return nil
}

// verdicts puts the verdicts into the answer to whoever asked for them. That
// the tag is there says that they were judged one by one, be there any or not.
func (part *producePart) verdicts(out *kmsg.ProduceResponseTopicPartition) {
	if !part.PerAppend {
		return
	}
	verdicts := make([]protocol.Verdict, len(part.Result.Skipped))
	for i := range verdicts {
		l := &part.Result.Skipped[i]
		verdicts[i] = protocol.Verdict{First: l.First, Records: l.Last - l.First + 1, At: l.At}
		if l.Refusal != nil {
			verdicts[i].Refusal = passageOf(part.of.x).told(part.topic, l.Refusal).Message()
		}
	}
	out.UnknownTags.Set(protocol.TagVerdicts, protocol.AppendVerdicts(nil, verdicts))
}

// writtenIn tells who has named a leader epoch in which one the batch was written.
func (part *producePart) writtenIn(t *partitions.Topic, out *kmsg.ProduceResponseTopicPartition) {
	if part.epoch < 0 || part.Result.Base < 0 {
		return
	}
	p := t.Partition(part.index)
	if epoch := p.Log().EpochAt(part.Result.Base); epoch >= 0 {
		out.UnknownTags.Set(protocol.TagLeaderEpoch, protocol.AppendLeaderEpoch(nil, epoch))
	}
}

// noteLeft counts and logs the refused appends of a batch that was written.
func (s *Server) noteLeft(p *producing, part *producePart) {
	for i := range part.Result.Skipped {
		if r := part.Result.Skipped[i].Refusal; r != nil {
			metricsOf(part.topic).Refused(r)
			s.noteRefusal(p, part, r)
		}
	}
}
