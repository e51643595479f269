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
	p.noteEncoded()
	return p.ProduceRequest.AppendTo(dst)
}

func (p *produce) noteEncoded() {
	select {
	case p.encoded <- struct{}{}:
	default:
	}
}

// request makes the request that sends s once more, to the leader of an epoch, in
// the memory of the last one if that has got its answer.
func (b *batch) request(epoch int32) *produce {
	at := b.writer.at
	if b.req == nil || b.requestLost {
		b.req = newProduce(at, &b.writer.c.opts)
	}
	b.req.sent.Store(false)
	select {
	case <-b.req.encoded:
	default:
	}
	protocol.AppendLeaderEpoch(b.req.epoch[:0], protocol.LeaderEpoch(epoch))
	b.req.Topics[0].Topic = at.topic
	b.req.Topics[0].Partitions[0].Partition = at.partition
	b.req.Topics[0].Partitions[0].Records = b.encoded
	return b.req
}

// reply is what a request came to.
type reply struct {
	batch *batch
	sent  bool // it may have reached the broker
	resp  *kmsg.ProduceResponse
	err   error
}

// roundTrip sends a request and returns its reply.
func (c *Client) roundTrip(leader int32, b *batch, req *produce) reply {
	resp, err := c.cl.Broker(int(leader)).Request(c.ctx, req)
	req.noteEncoded()
	r := reply{batch: b, sent: req.sent.Load(), err: err}
	if err == nil {
		r.resp = resp.(*kmsg.ProduceResponse)
	}
	return r
}

var errNoPartition = errors.New("the answer does not hold the partition")

// apply reads a reply into its batch's state, and answers the appends if
// it holds their verdicts.
func (r *reply) apply() {
	b := r.batch
	b.redirect = noLeader
	if r.err != nil {
		b.state, b.cause, b.maybeWritten, b.requestLost = retry, r.err, b.maybeWritten || r.sent, true
		return
	}
	if len(r.resp.Topics) != 1 || len(r.resp.Topics[0].Partitions) != 1 {
		b.state, b.cause, b.maybeWritten = retry, errNoPartition, true
		return
	}
	p := &r.resp.Topics[0].Partitions[0]
	b.redirect = leadership{broker: p.CurrentLeader.LeaderID, epoch: p.CurrentLeader.LeaderEpoch}
	switch err := errorOf(p.ErrorCode); {
	case err == nil:
		r.verdicts(p)
	case errors.Is(err, kerr.FencedLeaderEpoch), errors.Is(err, kerr.UnknownLeaderEpoch),
		errors.Is(err, kerr.NotEnoughReplicas):
		b.state, b.cause = retry, inItsWords(err, p) // nothing was written
	case errors.Is(err, kerr.OutOfOrderSequenceNumber), errors.Is(err, kerr.UnknownProducerID),
		errors.Is(err, kerr.InvalidProducerEpoch):
		b.state, b.cause = outOfSequence, err
	case errors.Is(err, kerr.OffsetOutOfRange), errors.Is(err, kerr.DuplicateSequenceNumber):
		// It was appended, and what it held of appends nobody knows any more.
		b.failUnknown(err)
	case kerr.IsRetriable(err) && !errors.Is(err, kerr.CorruptMessage):
		b.state, b.cause, b.maybeWritten = retry, inItsWords(err, p), true
	default:
		b.refused(err, p)
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
	if !r.batch.writer.c.opts.plain {
		var err error
		if verdicts, err = r.batch.readVerdicts(value); err != nil {
			r.batch.failUnknown(err)
			return
		}
	}
	r.batch.state = settled
	r.batch.writer.epochs.learn(int32(epoch))
	r.batch.complete(protocol.Offset(p.BaseOffset), int32(epoch), p.LogAppendTime >= 0, verdicts)
}

func (b *batch) readVerdicts(value []byte) ([]protocol.Verdict, error) {
	if value == nil {
		return nil, ErrUnsupported
	}
	return protocol.ReadVerdicts(value, b.builder.Count())
}

// failUnknown ends a batch without ever knowing.
func (b *batch) failUnknown(why error) {
	b.state = settled
	b.failAll(fmt.Errorf("%w: %w", ErrUnknownResult, why))
}

// refused notes a refusal of the whole batch.
func (b *batch) refused(err error, p *kmsg.ProduceResponseTopicPartition) {
	b.state, b.cause, b.badRecord = failed, inItsWords(err, p), -1
	if p.ErrorMessage == nil {
		return
	}
	if r, ok := protocol.ParseRefusal(*p.ErrorMessage); ok {
		b.badRecord, b.cause = r.Record, errors.New(*p.ErrorMessage)
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
