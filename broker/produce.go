package broker

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

const (
	zstdFromVersion = 7 // of Produce (KIP-110)
	// produceLeaderHints is the version from which a wrong broker names the right one.
	produceLeaderHints = 10
	tooOldBytesMax     = 1 << 20

	// A request that names more partitions than it can hold batches for costs more
	// memory than it has bytes. A few that are empty are answered as what they are.
	partBytesLeast = 64
	emptyPartsMax  = 64

	// A request up to this size is judged and written by the connection's reader
	// where no loop runs; with larger ones, reading the next beside that gains more.
	hereBytesMax = 16 << 10
)

// producing is a Produce request under way: one Proposal a partition, and the
// answer when the last of them is completed.
type producing struct {
	srv   *Server
	x     *transport.Exchange
	req   *kmsg.ProduceRequest
	here  bool         // the last partition's loop may be run by the reader, which has nothing else to do
	left  atomic.Int32 // proposals not completed, and one for the reader until it has proposed all
	parts []producePart
	away  *turnedAway // the connection's; the reader's
	joins []*joining  // the batches of the transaction, until their partitions are in it

	throttleMs int32 // that the client is to wait
}

// throttle implements throttled.
func (p *producing) throttle(ms int32) { p.throttleMs = ms }

// producePart is one partition of the request.
type producePart struct {
	replica.Proposal
	of     *producing
	topic  *partitions.Topic
	index  int32
	epoch  protocol.LeaderEpoch // that the producer goes by; -1: it names none
	errors []recordError        // what the topic does not take of single records
	held   held                 // of the memory for recompressed batches
	judged bool                 // the producer wants its lock headers judged, or the batch refused
}

// errLocksNeedAcks: an append that may be lost after its acknowledgement cannot
// be conditional.
var errLocksNeedAcks = fmt.Errorf("%w: lock headers need acks=all; if this topic holds copies, set conflict.policy=carry", kerr.InvalidRequiredAcks)

// produce proposes each partition's batch and returns; the answer is sent when
// all have theirs.
func (s *Server) produce(x *transport.Exchange, req *kmsg.ProduceRequest) error {
	p := &producing{srv: s, x: x, req: req, away: &stateOf(x.Conn).away}
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	if n > emptyPartsMax+len(x.Body)/partBytesLeast {
		return fmt.Errorf("Produce request names %d partitions in %d bytes", n, len(x.Body))
	}
	p.parts = make([]producePart, n)
	p.left.Store(int32(n) + 1)
	p.here = !x.Conn.HasInput() && len(x.Body) <= hereBytesMax
	part := p.parts
	for i := range req.Topics {
		t := s.hosted.Topic(req.Topics[i].Topic)
		for j := range req.Topics[i].Partitions {
			s.propose(p, &part[0], t, req.Topics[i].Topic, &req.Topics[i].Partitions[j])
			part = part[1:]
		}
	}
	if len(p.joins) > 0 {
		s.proposeJoined(p)
	}
	p.completed()
	return nil
}

// propose checks one partition's part and hands it to the partition's loop.
func (s *Server) propose(p *producing, part *producePart, t *partitions.Topic, name string, in *kmsg.ProduceRequestTopicPartition) {
	part.of, part.topic, part.index, part.Acks = p, t, in.Partition, replica.Acks(p.req.Acks)
	part.Done = part
	part.TimeoutMs = max(0, int64(p.req.TimeoutMillis))
	part.Result = replica.Result{Base: -1, LogStart: -1, AppendTimeMs: -1}
	host := t.Partition(in.Partition)
	err := part.readTags(&in.UnknownTags)
	if err == nil {
		err = s.admissible(p, t, in.Partition, host)
	}
	if err == nil {
		err = checkEpoch(host, int32(part.epoch))
	}
	if err == nil {
		err = s.admitBytes(len(in.Records))
	}
	if err == nil {
		if err = s.check(p, part, in.Records); err != nil && host.State().Role == replica.RoleFollower {
			err = replica.ErrNotLeader // who leads judges the batch
		}
	}
	if err == nil && part.Batch.Transactional() {
		err = mayJoin(p.req.TransactionID, part.Batch)
	}
	if err != nil {
		p.away.note(name, in.Partition, in.Records)
		part.fail(err)
		if part.Result.Refusal != nil {
			host.NoteRefusal(part.Result.Refusal)
		}
		part.finish()
		return
	}
	part.Behind = p.away.behind(name, in.Partition, part.Batch)
	if part.Batch.Transactional() {
		p.joins = append(p.joins, &joining{part: part, records: in.Records, partition: host.Partition, topic: name, batch: part.Batch})
		return
	}
	if p.here && part == &p.parts[len(p.parts)-1] {
		host.ProposeHere(&part.Proposal)
		return
	}
	host.Propose(&part.Proposal)
}

// fail sets the part's answer without asking the partition.
func (part *producePart) fail(err error) {
	var refusal *protocol.Refusal
	if errors.As(err, &refusal) {
		part.Result.Refusal = refusal
		return
	}
	part.Result.Err = err
	var untaken *untakenRecords
	if errors.As(err, &untaken) {
		part.errors = untaken.records
	}
}

// admissible are the checks that need no look at the batch.
func (s *Server) admissible(p *producing, t *partitions.Topic, index int32, host *partitions.Partition) error {
	acks := replica.Acks(p.req.Acks)
	if acks != replica.AcksAll && acks != replica.AcksLeader && acks != replica.AcksNone {
		return kerr.InvalidRequiredAcks
	}
	if err := s.whyNotHere(t, index, host); err != nil {
		return err
	}
	if isInternal(t.Name) {
		return fmt.Errorf("%w: %s is written by the broker alone", kerr.InvalidTopicException, t.Name)
	}
	return nil
}

// whyNotHere says why this broker has no replica of a partition to serve, or
// nil. Whether it leads, the partition itself knows best.
func (s *Server) whyNotHere(t *partitions.Topic, index int32, host *partitions.Partition) error {
	switch {
	case t == nil || index < 0 || int(index) >= len(t.Partitions):
		return kerr.UnknownTopicOrPartition
	case host == nil:
		return kerr.NotLeaderForPartition
	case host.Broken != nil:
		return fmt.Errorf("%w: %w", kerr.KafkaStorageError, host.Broken)
	}
	return nil
}

// admitBytes refuses a write for which the disk has no room.
func (s *Server) admitBytes(n int) error {
	if err := s.disk.Admit(n); err != nil {
		return fmt.Errorf("%w: %w", kerr.KafkaStorageError, err)
	}
	return nil
}

// checkEpoch compares the leader epoch that a client goes by (KIP-320); -1 is none.
func checkEpoch(p *partitions.Partition, epoch int32) error {
	switch have := int32(p.Epoch()); {
	case epoch < 0 || epoch == have:
		return nil
	case epoch < have:
		return kerr.FencedLeaderEpoch
	default:
		return kerr.UnknownLeaderEpoch
	}
}

// check takes the batch through its gateway and prepares its locks. They are
// released when the part is completed.
func (s *Server) check(p *producing, part *producePart, raw []byte) error {
	t := part.topic
	b, err := parseProduced(t, p.req.Version, raw)
	if err != nil {
		return err
	}
	anew := t.Recompresses(b.Codec())
	if anew {
		if err := s.recompressed.claim(p.x.Conn.Context(), &part.held, b, int(t.Settings.MaxMessageBytes)); err != nil {
			return err
		}
	}
	defer s.opening.begin(anew || b.Codec() != record.CodecNone)()
	limits := record.Limits{DecompressedBytesMax: s.cfg.DecompressedMax}
	recs, locks, refusal, err := conflict.Read(b, limits, t.Policy())
	if err != nil {
		return err
	}
	defer recs.Release() // opened, they may be thousands of times the request: none waits for a disk
	part.Batch, part.Locks = b, locks
	err = part.checkOpened(&recs, refusal)
	if err == nil {
		err = passageOf(p.x).mayMark(locks)
	}
	if err != nil || !anew {
		return err
	}
	return s.recompress(part, &recs)
}

// parseProduced takes a batch through its gateway, and refuses what a client may
// not write in any topic.
func parseProduced(t *partitions.Topic, version int16, raw []byte) (record.Batch, error) {
	b, err := record.Parse(raw, record.Limits{BatchBytesMax: protocol.LimitOf(int64(t.Settings.MaxMessageBytes))})
	switch {
	case err != nil && isNobodysTransaction(raw):
		return record.Batch{}, fmt.Errorf("%w: a batch of a transaction names its producer: %w", kerr.InvalidTxnState, err)
	case err != nil:
		return record.Batch{}, err
	case b.Codec() == record.CodecZstd && version < zstdFromVersion:
		return record.Batch{}, kerr.UnsupportedCompressionType
	case b.Control():
		return record.Batch{}, fmt.Errorf("%w: a client may not write control records", kerr.InvalidRecord)
	}
	return b, nil
}

// checkOpened are the checks of the batch's records, and of their lock headers,
// of which refusal says what is malformed.
func (part *producePart) checkOpened(recs *record.Records, refusal *protocol.Refusal) error {
	t, b := part.topic, part.Batch
	if err := checkRecords(t, b, recs); err != nil {
		return err
	}
	b.CorrectMaxTimestamp(recs)
	if t.Policy() == conflict.Carry && recs.HaveLocks() {
		if part.judged {
			return conflict.RefuseCarried(recs)
		}
		b.MarkCarried()
	}
	switch {
	case refusal != nil:
		return refusal
	case part.Locks != nil && !part.Locks.Carried() && part.Acks != replica.AcksAll:
		return errLocksNeedAcks
	}
	return nil
}

// Completed is called by the partition's loop.
func (part *producePart) Completed(*replica.Proposal) { part.finish() }

// finish notes what became of the part. Its memory is let go: the request's
// other parts, and so the answer, may wait for long.
func (part *producePart) finish() {
	s := part.of.srv
	s.note(part.of, part)
	part.Batch = record.Batch{}
	s.recompressed.giveBack(&part.held)
	if part.Locks != nil {
		part.Locks.Release()
	}
	part.of.completed()
}

// completed counts down; the last one makes the answer.
func (p *producing) completed() {
	if p.left.Add(-1) > 0 {
		return
	}
	passed := passageOf(p.x)
	refused := passed != nil && passed.denied
	for i := range p.parts {
		refused = refused || p.parts[i].Result.Err != nil || p.parts[i].Result.Refusal != nil
	}
	for i := range p.req.Topics {
		for j := range p.req.Topics[i].Partitions {
			p.req.Topics[i].Partitions[j].Records = nil
		}
	}
	if p.req.Acks == int16(replica.AcksNone) {
		// Nothing is answered; a client that must learn of an error sees its connection close, as Kafka does.
		if refused {
			p.x.HangUp()
		} else {
			finish(p.x, nil)
		}
		return
	}
	finish(p.x, p)
}

// note counts and, for a refusal, records what became of the part.
func (s *Server) note(p *producing, part *producePart) {
	if part.topic == nil {
		return
	}
	m := metricsOf(part.topic)
	switch r := &part.Result; {
	case r.Refusal != nil:
		m.Refused(r.Refusal)
		s.noteRefusal(p, part, r.Refusal)
	case r.Err != nil:
		if errors.Is(r.Err, errLocksNeedAcks) {
			m.WrongAcks.Inc()
		}
		if p.req.Acks == int16(replica.AcksNone) {
			s.log.Warn("a produce request with acks=0 was refused; its connection is closed", "topic", part.topic.Name,
				"partition", part.index, "from", p.x.Conn.RemoteAddr(), "client", protocol.PrintableShort(p.x.Header.ClientID), "why", r.Err)
		}
	case r.Repeated:
		if part.Locks != nil && !part.Locks.Carried() {
			m.Repeated.Inc()
		}
	default:
		m.Produced(part.Batch)
		switch {
		case part.Batch.Carried():
			m.Carried.Inc()
		case part.Locks != nil:
			m.Accepted.Inc()
		}
		s.noteLeft(p, part)
	}
}

// Encode encodes the answer.
func (p *producing) Encode(dst []byte, h protocol.Header) ([]byte, error) {
	dst = protocol.AppendResponseHeader(dst, h.CorrelationID, h.FlexibleResponse())
	resp := respond[*kmsg.ProduceResponse](p.req)
	resp.ThrottleMillis = p.throttleMs
	resp.Topics = make([]kmsg.ProduceResponseTopic, len(p.req.Topics))
	hints := leaderHints{view: p.srv.view(p.x)}
	part := p.parts
	for i := range p.req.Topics {
		rt := &resp.Topics[i]
		rt.Topic = p.req.Topics[i].Topic
		rt.Partitions = make([]kmsg.ProduceResponseTopicPartition, len(p.req.Topics[i].Partitions))
		for j := range rt.Partitions {
			part[0].response(&rt.Partitions[j])
			part[0].hint(p, &rt.Partitions[j], &hints)
			part = part[1:]
		}
	}
	passageOf(p.x).amend(resp)
	for _, n := range hints.nodes {
		resp.Brokers = append(resp.Brokers, kmsg.ProduceResponseBroker{NodeID: n.id, Host: n.host, Port: n.port, Rack: n.rack})
	}
	return resp.AppendTo(dst), nil
}

// response fills in one partition's answer.
func (part *producePart) response(out *kmsg.ProduceResponseTopicPartition) {
	out.Default()
	r := &part.Result
	out.Partition = part.index
	out.BaseOffset, out.LogAppendTime, out.LogStartOffset = int64(r.Base), r.AppendTimeMs, int64(r.LogStart)
	switch {
	case r.Refusal != nil:
		text := passageOf(part.of.x).told(part.topic, r.Refusal).Message()
		out.ErrorCode, out.ErrorMessage, out.BaseOffset = refusalCode(r.Refusal), &text, -1
		out.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{{RelativeOffset: r.Refusal.Record, ErrorMessage: &text}}
	case r.Err != nil:
		out.ErrorCode, out.ErrorMessage, out.BaseOffset = codeOf(r.Err), textOf(r.Err), -1
		for _, e := range part.errors {
			out.ErrorRecords = append(out.ErrorRecords, kmsg.ProduceResponseTopicPartitionErrorRecord{RelativeOffset: e.index, ErrorMessage: e.message()})
		}
	default:
		part.verdicts(out)
		part.writtenIn(part.topic, out)
	}
}

// hint tells a client that came to the wrong broker which one leads (KIP-951).
func (part *producePart) hint(p *producing, out *kmsg.ProduceResponseTopicPartition, hints *leaderHints) {
	if p.req.Version < produceLeaderHints || !ledElsewhere(out.ErrorCode) || part.topic == nil {
		return
	}
	if leader, epoch, ok := hints.of(part.topic.ID, part.index); ok {
		out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = int32(leader), int32(epoch)
	}
}

// produceTooOld answers versions that are advertised for the sake of old
// feature detection and not served (KAFKA-18659).
func (s *Server) produceTooOld(x *transport.Exchange) error {
	versions, _ := protocol.Lookup(protocol.KeyProduce)
	if x.Header.Version < versions.Min || x.Header.Version > versions.Max {
		return x.Refused // it is not advertised either
	}
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = x.Header.Version
	req := kmsg.NewPtrProduceRequest()
	req.Version = x.Header.Version
	if len(x.Body) > tooOldBytesMax {
		return x.Refused
	}
	// Version 3 put a transactional id in front and changed nothing else.
	if err := protocol.Prove(x.Header.Key, versions.ServeMin, append([]byte{0xff, 0xff}, x.Body...)); err != nil {
		return fmt.Errorf("Produce v%d request: %w", x.Header.Version, err)
	}
	if err := req.ReadFrom(x.Body); err != nil {
		return fmt.Errorf("Produce v%d request: %w", x.Header.Version, err)
	}
	if req.Acks == 0 {
		return fmt.Errorf("Produce v%d is too old; at least v%d is needed", x.Header.Version, versions.ServeMin)
	}
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.BaseOffset = p.Partition, kerr.UnsupportedVersion.Code, -1
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	sendResponse(x, resp)
	return nil
}
