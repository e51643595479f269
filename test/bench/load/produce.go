package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

// produceVersion is the last one without tagged fields, and it has error texts.
const produceVersion = 8

// Produce appends one batch again and again with acks=all, on Conns
// connections with InFlight requests outstanding on each.
type Produce struct {
	Addr      string // of the partition's leader
	Topic     string
	Partition int32
	Shape     Shape
	Conns     int // 0 is 1
	InFlight  int // on each connection; 0 is 1
	Limit     Limit
	Rate      float64 // requests a second over all connections; 0 is a closed loop
}

func (p Produce) withDefaults() Produce {
	p.Conns, p.InFlight = max(1, p.Conns), max(1, p.InFlight)
	return p
}

func (p Produce) validate() error {
	if p.Limit.none() {
		return errors.New("load: a produce without a limit")
	}
	if p.Conns > 99 || p.InFlight > 99 {
		return fmt.Errorf("load: %d connections with %d in flight, want at most 99", p.Conns, p.InFlight)
	}
	return p.Shape.validate()
}

// Run sends until the limit and waits for every answer. A refusal ends it with
// a *Refused, for none of these requests ought to be refused.
func (p Produce) Run(ctx context.Context) (Result, error) {
	p = p.withDefaults()
	if err := p.validate(); err != nil {
		return Result{}, err
	}
	basis := int64(-1)
	if p.Shape.Locks > 0 {
		var err error
		if basis, err = p.prime(ctx); err != nil {
			return Result{}, fmt.Errorf("load: the first plain record: %w", err)
		}
	}
	return p.run(ctx, basis)
}

// prime appends one plain record, so that there is an offset to have read.
func (p Produce) prime(ctx context.Context) (int64, error) {
	w, err := dial(ctx, p.Addr)
	if err != nil {
		return 0, err
	}
	defer w.close()
	s := newSlot(p, encode(Shape{Records: 1, Value: p.Shape.Value}, ""))
	if _, err := w.Write(append(s.head, s.batch.bytes...)); err != nil {
		return 0, err
	}
	return s.answer(w)
}

func (p Produce) run(parent context.Context, basis int64) (Result, error) {
	g, ctx := errgroup.WithContext(parent)
	lanes := make([]*lane, p.Conns)
	for i := range lanes {
		l, err := p.newLane(ctx, i, basis)
		if err != nil {
			return Result{}, err
		}
		defer l.close()
		lanes[i] = l
	}
	start := time.Now()
	left := newBudget(p.Limit, int64(len(lanes[0].slots[0].batch.bytes)))
	for i, l := range lanes {
		g.Go(func() error {
			if p.Rate > 0 {
				gap := time.Duration(float64(time.Second) / p.Rate)
				return l.paced(ctx, left, start.Add(gap*time.Duration(i)), gap*time.Duration(p.Conns))
			}
			return l.closed(left)
		})
	}
	err := g.Wait()
	total := Result{Elapsed: time.Since(start)}
	for _, l := range lanes {
		total.join(l.result)
	}
	if parent.Err() != nil { // which has closed the connections
		err = context.Cause(parent)
	}
	return total, err
}

// lane is one connection and its slots.
type lane struct {
	*wire
	slots  []*slot
	shape  Shape
	turns  int
	result Result
}

func (p Produce) newLane(ctx context.Context, conn int, basis int64) (*lane, error) {
	w, err := dial(ctx, p.Addr)
	if err != nil {
		return nil, err
	}
	l := &lane{wire: w, shape: p.Shape, turns: p.Shape.turns(p.Conns * p.InFlight), result: Result{Latency: newLatency()}}
	plain := encode(p.Shape, "")
	for i := range p.InFlight {
		b := plain
		if p.Shape.Locks > 0 {
			b = encode(p.Shape, fmt.Sprintf("%02d.%02d", conn, i))
		}
		s := newSlot(p, b)
		s.basis = basis
		binary.BigEndian.PutUint32(s.head[correlationAt:], uint32(i))
		l.slots = append(l.slots, s)
	}
	return l, nil
}

// closed keeps every slot busy until the budget is used up. Answers come in
// order, so the slots are a ring.
func (l *lane) closed(left *budget) error {
	ready, first, inFlight := len(l.slots), 0, 0
	var out net.Buffers
	for {
		now := time.Now()
		out = out[:0]
		for range ready {
			if !left.take(now) {
				break
			}
			s := l.slots[(first+inFlight)%len(l.slots)]
			out = append(out, s.head, s.next(l.turns))
			s.due = now
			inFlight++
		}
		if inFlight == 0 {
			return nil
		}
		if buffers := out; len(buffers) > 0 {
			if _, err := buffers.WriteTo(l.Conn); err != nil {
				return err
			}
		}
		for ready = 0; ready == 0 || inFlight > 0 && l.frames(); ready++ {
			if err := l.finish(l.slots[first]); err != nil {
				return err
			}
			first = (first + 1) % len(l.slots)
			inFlight--
		}
	}
}

// finish takes the answer of the oldest request.
func (l *lane) finish(s *slot) error {
	base, err := s.answer(l.wire)
	if err != nil {
		return err
	}
	s.basis = base + int64(l.shape.Records) - 1
	record(l.result.Latency, time.Since(s.due))
	l.result.Requests++
	l.result.Records += int64(l.shape.Records)
	l.result.Bytes += int64(len(s.batch.bytes))
	return nil
}

// slot is one request in flight: its bytes and what it waits for.
type slot struct {
	head  []byte // the framed request up to the batch
	batch *batch // shared with other slots when plain
	basis int64  // the last offset that this slot knows to be written
	turn  int
	due   time.Time
}

func newSlot(p Produce, b *batch) *slot {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = produceVersion, -1, timeoutMs
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = p.Partition, []byte{}
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = p.Topic
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	head := appendRequest(nil, req)
	binary.BigEndian.PutUint32(head[len(head)-4:], uint32(len(b.bytes))) // the batch is last
	binary.BigEndian.PutUint32(head, uint32(len(head)-4+len(b.bytes)))
	return &slot{head: head, batch: b}
}

// next is the batch to send now.
func (s *slot) next(turns int) []byte {
	if len(s.batch.bases) > 0 {
		s.batch.patch(s.basis, s.turn)
		s.turn = (s.turn + 1) % turns
	}
	return s.batch.bytes
}

// answer reads this slot's answer and returns the batch's first offset.
func (s *slot) answer(w *wire) (int64, error) {
	frame, err := w.frame()
	if err != nil {
		return 0, err
	}
	b := kbin.Reader{Src: frame}
	if b.Uint32() != binary.BigEndian.Uint32(s.head[correlationAt:]) {
		return 0, errAnswer
	}
	topics := b.ArrayLen()
	b.Span(int(b.Int16()))
	partitions := b.ArrayLen()
	b.Int32()
	code, base := b.Int16(), b.Int64()
	if b.Complete() != nil || topics != 1 || partitions != 1 {
		return 0, errAnswer
	}
	if code != 0 {
		return 0, refusal(frame, code)
	}
	return base, nil
}

// refusal reads the whole answer for its text.
func refusal(frame []byte, code int16) error {
	refused := &Refused{Code: code}
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = produceVersion
	if resp.ReadFrom(frame[4:]) == nil && len(resp.Topics) == 1 && len(resp.Topics[0].Partitions) == 1 {
		if text := resp.Topics[0].Partitions[0].ErrorMessage; text != nil {
			refused.Message = *text
		}
	}
	return refused
}
