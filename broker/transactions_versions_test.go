package broker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// writer is a producer of a transactional id that nobody had.
func (v *versions) writer() *writer {
	v.made++
	return begin(v.t, v.w.nc.RemoteAddr().String(), fmt.Sprint("versions-", v.made))
}

// written is a topic that only transactions are in: others count what theirs have.
func (v *versions) written() string {
	topic := v.fresh()
	v.w.createTopic(topic, 2)
	return topic
}

func (v *versions) addPartitionsToTxn(version int16) int16 {
	wr, topic := v.writer(), v.written()
	if version < addPartitionsBatch {
		return wr.addPartitions(version, topic, 0)[0]
	}
	resp := wr.ask(version, false, topic, 0)
	v.check(version, resp.Transactions[0].TransactionalID == wr.id)
	verified := wr.ask(version, true, topic, 0, 1).Transactions[0].Topics[0].Partitions
	v.check(version, verified[0].ErrorCode == 0 && verified[1].ErrorCode == kerr.TransactionAbortable.Code)
	return resp.ErrorCode + resp.Transactions[0].Topics[0].Partitions[0].ErrorCode
}

// ask adds partitions as brokers do, or asks whether they are in.
func (wr *writer) ask(version int16, verify bool, topic string, partitions ...int32) *kmsg.AddPartitionsToTxnResponse {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	of := kmsg.NewAddPartitionsToTxnRequestTransaction()
	of.TransactionalID, of.ProducerID, of.ProducerEpoch, of.VerifyOnly = wr.id, wr.ID, wr.Epoch, verify
	of.Topics = []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: topic, Partitions: partitions}}
	req.Transactions = append(req.Transactions, of)
	return ask[*kmsg.AddPartitionsToTxnResponse](wr.w, version, req)
}

func (v *versions) addOffsetsToTxn(version int16) int16 {
	return v.writer().addOffsets(version, "versions")
}

func (v *versions) endTxn(version int16) int16 {
	wr := v.writer()
	if codes := wr.addPartitions(3, v.written(), 0); codes[0] != 0 {
		return codes[0]
	}
	was := wr.Epoch
	code := wr.end(version, true)
	v.check(version, (wr.Epoch == was+1) == (version >= endTxnBumps))
	return code
}

func (v *versions) writeTxnMarkers(version int16) int16 {
	return v.w.writeMarker(version, txn.Producer{ID: 1 << 50}, true, v.written(), 0)
}

// writeMarker sends a client's marker for one partition.
func (w *wire) writeMarker(version int16, of txn.Producer, commit bool, topic string, partition int32) int16 {
	req := kmsg.NewPtrWriteTxnMarkersRequest()
	m := kmsg.NewWriteTxnMarkersRequestMarker()
	m.ProducerID, m.ProducerEpoch, m.Committed, m.CoordinatorEpoch = of.ID, of.Epoch, commit, -1
	m.Topics = []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: topic, Partitions: []int32{partition}}}
	req.Markers = append(req.Markers, m)
	return ask[*kmsg.WriteTxnMarkersResponse](w, version, req).Markers[0].Topics[0].Partitions[0].ErrorCode
}

func (v *versions) txnOffsetCommit(version int16) int16 {
	wr := v.writer()
	if version < txnOffsetsAdd {
		if code := wr.addOffsets(4, "versions"); code != 0 {
			return code
		}
	}
	return wr.commitOffset(version, "versions", v.topic, 1)
}

func (v *versions) describeTransactions(version int16) int16 {
	d := v.w.describeTransaction(v.writer().id)
	v.check(version, d.State == "Empty" && d.TimeoutMillis == 60_000 && d.StartTimestamp == -1)
	return d.ErrorCode
}

func (v *versions) listTransactions(version int16) int16 {
	wr := v.writer()
	req := kmsg.NewPtrListTransactionsRequest()
	req.StateFilters, req.ProducerIDFilters = []string{"Empty", "ongoing"}, []int64{wr.ID}
	resp := ask[*kmsg.ListTransactionsResponse](v.w, version, req)
	v.check(version, len(resp.TransactionStates) == 1 && resp.TransactionStates[0].TransactionalID == wr.id)
	v.check(version, slices.Equal(resp.UnknownStateFilters, []string{"ongoing"}))
	return resp.ErrorCode
}

// Goal: what Kafka refuses is refused with its codes, in the words that the version knows.
func TestTransactionsAreRefusedWithKafkasCodes(t *testing.T) {
	s, _ := startServer(t, withoutDelay)
	dial(t, s.Addr("")).createTopic("a", 2)
	wr := begin(t, s.Addr(""), "x")
	stale := &writer{w: wr.w, id: "x", Producer: txn.Producer{ID: wr.ID, Epoch: wr.Epoch + 1}}
	foreign := &writer{w: wr.w, id: "x", Producer: txn.Producer{ID: wr.ID + 1, Epoch: 0}}
	nobody := &writer{w: wr.w, id: ""}
	wants := func(what string, got, want int16) {
		t.Helper()
		if got != want {
			t.Errorf("%s: code %d, want %d", what, got, want)
		}
	}
	for version := int16(0); version <= 3; version++ {
		fenced := kerr.InvalidProducerEpoch.Code
		if version >= addPartitionsFenced {
			fenced = kerr.ProducerFenced.Code
		}
		wants("add, other epoch", stale.addPartitions(version, "a", 0)[0], fenced)
		wants("add, other producer", foreign.addPartitions(version, "a", 0)[0], kerr.InvalidProducerIDMapping.Code)
		wants("add, empty id", nobody.addPartitions(version, "a", 0)[0], kerr.InvalidRequest.Code)
		if codes := wr.addPartitions(version, "a", 0, 7); codes[0] != kerr.OperationNotAttempted.Code || codes[1] != kerr.UnknownTopicOrPartition.Code {
			t.Errorf("one of two is unknown: %v", codes)
		}
		wants("add, internal", wr.addPartitions(version, transactionsTopic, 0)[0], kerr.TopicAuthorizationFailed.Code)
		wants("end, other producer", foreign.end(version, true), kerr.InvalidProducerIDMapping.Code)
		wants("end, other epoch", stale.end(version, true), fenced)
		wants("end of nothing", wr.end(version, true), kerr.InvalidTxnState.Code)
		wants("end, empty id", nobody.end(version, true), kerr.InvalidRequest.Code)
	}
	wants("abort of nothing, v4", wr.end(4, false), kerr.InvalidTxnState.Code)
	wants("abort of nothing, v5", wr.end(5, false), 0)
	wants("never added, v10", wr.produce(10, "a", 0, "v"), kerr.InvalidTxnState.Code)
	wants("never added, v11", wr.produce(11, "a", 0, "v"), kerr.TransactionAbortable.Code)
	for timeout, want := range map[int32]int16{0: 50, -1: 50, 900_001: 50} {
		wants("timeout", wr.init(5, txn.Producer{ID: -1, Epoch: -1}, timeout).ErrorCode, want)
	}
	wants("half a producer", wr.init(5, txn.Producer{ID: wr.ID, Epoch: -1}, 1000).ErrorCode, kerr.InvalidRequest.Code)
	wants("another's producer, v3", wr.init(3, foreign.Producer, 1000).ErrorCode, kerr.InvalidProducerEpoch.Code)
	wants("another's producer, v4", wr.init(4, foreign.Producer, 1000).ErrorCode, kerr.ProducerFenced.Code)
	wants("empty id", nobody.init(5, txn.Producer{ID: -1, Epoch: -1}, 1000).ErrorCode, kerr.InvalidRequest.Code)
	wants("no such id", wr.w.describeTransaction("absent").ErrorCode, kerr.TransactionalIDNotFound.Code)
	wants("no id", wr.w.describeTransaction("").ErrorCode, kerr.InvalidRequest.Code)
	wants("a write to the log of transactions", produceBatch(wr.w, 11, nil, transactionsTopic, 0,
		writerBatch(txn.Producer{ID: -1, Epoch: -1}, -1, false, "v")), kerr.InvalidTopicException.Code)
}

// Goal: a topic that is deleted within a transaction, or deleted and made again, makes it
// abortable: all or nothing.
func TestACommitOverADeletedTopicIsRefused(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("kept", 1)
	for _, again := range []bool{false, true} {
		w.createTopic("gone", 1)
		wr := begin(t, s.Addr(""), "x")
		for _, topic := range []string{"kept", "gone"} {
			if code := wr.produce(12, topic, 0, "no"); code != 0 {
				t.Fatalf("%s: code %d", topic, code)
			}
			wr.sequence = 0
		}
		ask[*kmsg.DeleteTopicsResponse](w, 6, deleteTopicRequest("gone"))
		if again {
			w.createTopic("gone", 1)
		}
		if code := wr.end(5, true); code != kerr.TransactionAbortable.Code {
			t.Errorf("made again %v: code %d", again, code)
		}
		if code := wr.end(5, false); code != 0 {
			t.Errorf("made again %v: the abort gets code %d", again, code)
		}
		if again {
			ask[*kmsg.DeleteTopicsResponse](w, 6, deleteTopicRequest("gone"))
		}
	}
	wantCommitted(t, s.Addr(""), "kept", 0)
}

// Goal: a client's marker ends what no coordinator knows, and never a part of what one
// does: an abort ends all of that, and a commit is refused.
func TestAClientsMarkerCutsNoTransaction(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 2)
	wr := begin(t, s.Addr(""), "x")
	for p := range int32(2) {
		if code := wr.produce(12, "a", p, "no"); code != 0 {
			t.Fatalf("code %d", code)
		}
		wr.sequence = 0
	}
	for version := int16(1); version <= 2; version++ {
		if code := w.writeMarker(version, wr.Producer, true, "a", 0); code != kerr.InvalidTxnState.Code {
			t.Errorf("v%d: a client's commit gets code %d", version, code)
		}
		stale := txn.Producer{ID: wr.ID, Epoch: wr.Epoch + 1}
		if code := w.writeMarker(version, stale, false, "a", 0); code != kerr.InvalidTxnState.Code {
			t.Errorf("v%d: a forged abort gets code %d", version, code)
		}
	}
	if d := w.describeTransaction("x"); d.State != "Ongoing" || len(d.Topics[0].Partitions) != 2 {
		t.Fatalf("%+v", d)
	}
	if code := w.writeMarker(1, wr.Producer, false, "a", 0); code != 0 {
		t.Fatalf("the tool's abort gets code %d", code)
	}
	for p := range int32(2) {
		if n, _ := s.hosted.Topic("a").Partition(p).OpenTransactions(); n != 0 {
			t.Errorf("partition %d has an open transaction after the abort", p)
		}
	}
	if code := wr.end(4, true); code != kerr.ProducerFenced.Code {
		t.Errorf("the owner commits the rest with code %d", code)
	}
	inTransaction(t, transactional(t, s.Addr(""), "x"), "a", kgo.TryCommit, "yes", "yes")
	wantCommitted(t, s.Addr(""), "a", 0, "yes")

	// No coordinator knows of a transaction whose markers were lost.
	hanging := txn.Producer{ID: 1 << 40, Epoch: 3}
	raw := writerBatch(hanging, 0, true, "hanging")
	proposeRaw(t, s, "a", 0, raw)
	if n, _ := s.hosted.Topic("a").Partition(0).OpenTransactions(); n != 1 {
		t.Fatalf("%d open transactions", n)
	}
	if code := w.writeMarker(1, hanging, false, "a", 0); code != 0 {
		t.Errorf("the cure of a hanging transaction gets code %d", code)
	}
	if n, _ := s.hosted.Topic("a").Partition(0).OpenTransactions(); n != 0 {
		t.Errorf("%d open transactions after the cure", n)
	}
	if code := w.writeMarker(1, txn.Producer{ID: -1, Epoch: 0}, false, "a", 0); code != kerr.InvalidRequest.Code {
		t.Errorf("a marker of nobody: code %d", code)
	}
	if code := w.writeMarker(1, hanging, false, "a", 9); code != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("no such partition: code %d", code)
	}
}

// proposeRaw appends a batch past all that a client would have to pass.
func proposeRaw(t *testing.T, s *Server, topic string, partition int32, raw []byte) {
	t.Helper()
	b, err := record.Parse(raw, record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	q := &rawProposal{done: make(chan error, 1)}
	q.Batch, q.Acks, q.Done = b, replica.AcksAll, q
	s.hosted.Topic(topic).Partition(partition).Propose(&q.Proposal)
	if err := <-q.done; err != nil {
		t.Fatal(err)
	}
}

type rawProposal struct {
	replica.Proposal
	done chan error
}

func (q *rawProposal) Completed(p *replica.Proposal) { q.done <- p.Result.Err }

// Goal: an abort by others reaches the coordinator, wherever it is.
func TestAClientsMarkerReachesTheCoordinator(t *testing.T) {
	ps := startPeers(t, 3, oneStatePartition)
	var at protocol.BrokerID
	ps.await("a coordinator", func() bool { at = ps.txnCoordinatorOf(1, "x"); return at > 0 })
	leader := at%3 + 1
	ps.createAt(leader, "a", 1, int32(leader))
	wr := begin(t, ps.all[at].Addr(""), "x")
	w := dial(t, ps.all[leader].Addr(""))
	ps.await("a record to be written", func() bool {
		by := *wr
		by.w = w
		return by.produce(12, "a", 0, "no") == 0
	})
	if code := w.writeMarker(1, wr.Producer, true, "a", 0); code != kerr.InvalidTxnState.Code {
		t.Errorf("a client's commit gets code %d", code)
	}
	if code := w.writeMarker(1, wr.Producer, false, "a", 0); code != 0 {
		t.Errorf("the tool's abort gets code %d", code)
	}
	if d := wr.w.describeTransaction("x"); d.State != txn.CompleteAbort.String() {
		t.Errorf("%+v", d)
	}
}
