package client

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// produceVersionMax is where Produce still names topics by their names.
const produceVersionMax = 11

// produce is a Produce request that tells when it is encoded, which kgo does on
// the goroutine that writes to the broker: a request handed over after that
// goes out behind it. Being a type of its own, it keeps its acks too: kgo
// gives its own kind of requests those that the client was configured with.
type produce struct {
	*kmsg.ProduceRequest
	encoded chan struct{} // capacity 1
	sent    atomic.Bool   // it was encoded
	epoch   [4]byte       // the value of the tag that names the leader epoch
}

func newProduce(at place, o *options) *produce {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, int32(o.requestTimeout.Milliseconds())
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition = at.partition
	p := &produce{ProduceRequest: req, encoded: make(chan struct{}, 1)}
	switch {
	case !o.plain:
		rp.UnknownTags.Set(protocol.TagVerdicts, []byte{protocol.VerdictsVersion})
	case o.judged:
		rp.UnknownTags.Set(protocol.TagJudged, []byte{1})
	}
	rp.UnknownTags.Set(protocol.TagLeaderEpoch, p.epoch[:])
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.Partitions = at.topic, []kmsg.ProduceRequestTopicPartition{rp}
	req.Topics = []kmsg.ProduceRequestTopic{rt}
	return p
}

// MaxVersion is called by kgo.
func (p *produce) MaxVersion() int16 { return produceVersionMax }

// AppendTo is called by kgo, again if a connection turned out to be dead.
func (p *produce) AppendTo(dst []byte) []byte {
	p.sent.Store(true)
	p.release()
	return p.ProduceRequest.AppendTo(dst)
}

func (p *produce) release() {
	select {
	case p.encoded <- struct{}{}:
	default:
	}
}

// request makes the request that sends s once more, to the leader of an epoch, in
// the memory of the last one if that has got its answer.
func (s *shipment) request(epoch int32) *produce {
	at := s.lane.at
	if s.req == nil || s.lost {
		s.req = newProduce(at, &s.lane.c.opts)
	}
	s.req.sent.Store(false)
	select {
	case <-s.req.encoded:
	default:
	}
	protocol.AppendLeaderEpoch(s.req.epoch[:0], protocol.LeaderEpoch(epoch))
	s.req.Topics[0].Topic = at.topic
	s.req.Topics[0].Partitions[0].Partition = at.partition
	s.req.Topics[0].Partitions[0].Records = s.batch
	return s.req
}

// reply is what a request came to.
type reply struct {
	s    *shipment
	sent bool // it may have reached the broker
	resp *kmsg.ProduceResponse
	err  error
}

// ship sends a request and returns its reply.
func (c *Client) ship(leader int32, s *shipment, req *produce) reply {
	resp, err := c.cl.Broker(int(leader)).Request(c.ctx, req)
	req.release()
	r := reply{s: s, sent: req.sent.Load(), err: err}
	if err == nil {
		r.resp = resp.(*kmsg.ProduceResponse)
	}
	return r
}

var errNoPartition = errors.New("the answer does not hold the partition")

// settle reads a reply into its shipment's state, and answers the appends if
// it holds their verdicts.
func (r *reply) settle() {
	s := r.s
	s.elsewhere = leaderless
	if r.err != nil {
		s.state, s.cause, s.doubt, s.lost = again, r.err, s.doubt || r.sent, true
		return
	}
	if len(r.resp.Topics) != 1 || len(r.resp.Topics[0].Partitions) != 1 {
		s.state, s.cause, s.doubt = again, errNoPartition, true
		return
	}
	p := &r.resp.Topics[0].Partitions[0]
	s.elsewhere = leadership{broker: p.CurrentLeader.LeaderID, epoch: p.CurrentLeader.LeaderEpoch}
	switch err := errorOf(p.ErrorCode); {
	case err == nil:
		r.verdicts(p)
	case errors.Is(err, kerr.FencedLeaderEpoch), errors.Is(err, kerr.UnknownLeaderEpoch), errors.Is(err, kerr.NotEnoughReplicas):
		s.state, s.cause = again, inItsWords(err, p) // nothing was written
	case errors.Is(err, kerr.OutOfOrderSequenceNumber), errors.Is(err, kerr.UnknownProducerID), errors.Is(err, kerr.InvalidProducerEpoch):
		s.state, s.cause = disordered, err
	case errors.Is(err, kerr.OffsetOutOfRange), errors.Is(err, kerr.DuplicateSequenceNumber):
		// It was appended, and what it held of appends nobody knows any more.
		s.unknown(err)
	case kerr.IsRetriable(err) && !errors.Is(err, kerr.CorruptMessage):
		s.state, s.cause, s.doubt = again, inItsWords(err, p), true
	default:
		s.refuse(err, p)
	}
}

// verdicts answers the appends of a batch that was appended.
func (r *reply) verdicts(p *kmsg.ProduceResponseTopicPartition) {
	var value []byte
	epoch := protocol.LeaderEpoch(-1)
	p.UnknownTags.Each(func(tag uint32, v []byte) {
		switch tag {
		case protocol.TagVerdicts:
			value = v
		case protocol.TagLeaderEpoch:
			if e, err := protocol.ReadLeaderEpoch(v); err == nil {
				epoch = e
			}
		}
	})
	var verdicts []protocol.Verdict // a plain batch has none, and is in as a whole
	if !r.s.lane.c.opts.plain {
		var err error
		if verdicts, err = r.s.readVerdicts(value); err != nil {
			r.s.unknown(err)
			return
		}
	}
	r.s.state = done
	r.s.lane.newest.learn(int32(epoch))
	r.s.answer(protocol.Offset(p.BaseOffset), int32(epoch), p.LogAppendTime >= 0, verdicts)
}

func (s *shipment) readVerdicts(value []byte) ([]protocol.Verdict, error) {
	if value == nil {
		return nil, ErrUnsupported
	}
	return protocol.ReadVerdicts(value, s.builder.Count())
}

// unknown ends a shipment without ever knowing.
func (s *shipment) unknown(why error) {
	s.state = done
	s.fail(fmt.Errorf("%w: %w", ErrUnknownResult, why))
}

// refuse notes a refusal of the whole batch.
func (s *shipment) refuse(err error, p *kmsg.ProduceResponseTopicPartition) {
	s.state, s.cause, s.culprit = failed, inItsWords(err, p), -1
	if p.ErrorMessage == nil {
		return
	}
	if r, ok := protocol.ParseRefusal(*p.ErrorMessage); ok {
		s.culprit, s.cause = r.Record, errors.New(*p.ErrorMessage)
	}
}

// inItsWords adds what the broker has said of an error.
func inItsWords(err error, p *kmsg.ProduceResponseTopicPartition) error {
	if p.ErrorMessage == nil || *p.ErrorMessage == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, *p.ErrorMessage)
}

func errorOf(code int16) error { return kerr.ErrorForCode(code) }
