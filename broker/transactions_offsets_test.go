package broker

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// writer is a transactional producer by the wire.
type writer struct {
	w  *wire
	id string
	txn.Producer
	sequence int32
}

// begin asks for a producer until the one before it is out of the way.
func begin(t *testing.T, addr, id string) *writer {
	t.Helper()
	wr := &writer{w: dial(t, addr), id: id}
	for {
		resp := wr.init(5, txn.Producer{ID: -1, Epoch: -1}, 60_000)
		switch resp.ErrorCode {
		case 0:
			wr.Producer = txn.Producer{ID: resp.ProducerID, Epoch: resp.ProducerEpoch}
			return wr
		case kerr.ConcurrentTransactions.Code, kerr.NotCoordinator.Code, kerr.CoordinatorLoadInProgress.Code, kerr.CoordinatorNotAvailable.Code:
			time.Sleep(10 * time.Millisecond)
		default:
			t.Fatalf("init: code %d", resp.ErrorCode)
		}
	}
}

func (wr *writer) init(version int16, was txn.Producer, timeoutMs int32) *kmsg.InitProducerIDResponse {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = &wr.id, timeoutMs
	req.ProducerID, req.ProducerEpoch = was.ID, was.Epoch
	return ask[*kmsg.InitProducerIDResponse](wr.w, version, req)
}

// produce writes one record, in the version of Produce that is asked for.
func (wr *writer) produce(version int16, topic string, partition int32, value string) int16 {
	code := produceBatch(wr.w, version, &wr.id, topic, partition, writerBatch(wr.Producer, wr.sequence, true, value))
	if code == 0 {
		wr.sequence++
	}
	return code
}

func (wr *writer) addPartitions(version int16, topic string, partitions ...int32) []int16 {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = wr.id, wr.ID, wr.Epoch
	req.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: topic, Partitions: partitions}}
	var codes []int16
	for _, t := range ask[*kmsg.AddPartitionsToTxnResponse](wr.w, version, req).Topics {
		for _, p := range t.Partitions {
			codes = append(codes, p.ErrorCode)
		}
	}
	return codes
}

// end ends the transaction; from version 5 on the producer goes on as it is told.
func (wr *writer) end(version int16, commit bool) int16 {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = wr.id, wr.ID, wr.Epoch, commit
	resp := ask[*kmsg.EndTxnResponse](wr.w, version, req)
	if resp.ErrorCode == 0 && version >= endTxnBumps {
		wr.Producer, wr.sequence = txn.Producer{ID: resp.ProducerID, Epoch: resp.ProducerEpoch}, 0
	}
	return resp.ErrorCode
}

func (wr *writer) addOffsets(version int16, group string) int16 {
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = wr.id, wr.ID, wr.Epoch, group
	return ask[*kmsg.AddOffsetsToTxnResponse](wr.w, version, req).ErrorCode
}

// commitOffset commits an offset for partition 0 of the topic.
func (wr *writer) commitOffset(version int16, group, topic string, offset int64) int16 {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = wr.id, wr.ID, wr.Epoch, group
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset = offset
	req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: topic, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{p}}}
	return ask[*kmsg.TxnOffsetCommitResponse](wr.w, version, req).Topics[0].Partitions[0].ErrorCode
}

// stableOffset is what a group has for partition 0 of a topic, or why that is not known.
func (w *wire) stableOffset(group, topic string) (offset int64, code int16) {
	req := kmsg.NewPtrOffsetFetchRequest()
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, req.RequireStable = group, true
	if topic != "" {
		g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, Partitions: []int32{0}}}
	}
	req.Groups = []kmsg.OffsetFetchRequestGroup{g}
	for _, t := range ask[*kmsg.OffsetFetchResponse](w, 8, req).Groups[0].Topics {
		for _, p := range t.Partitions {
			return p.Offset, p.ErrorCode
		}
	}
	return -1, 0
}

// Goal: offsets count with their transaction, whatever version the client speaks; until
// it is decided they are refused to who asks for stable ones, and nothing deletes them.
func TestOffsetsAreCommittedWithTheirTransaction(t *testing.T) {
	s, _ := startServer(t, withoutDelay)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	for version := int16(0); version <= 5; version++ {
		group := "g" + string(rune('0'+version))
		wr := begin(t, s.Addr(""), "x"+group)
		if version < txnOffsetsAdd {
			want := kerr.InvalidTxnState.Code
			if version >= txnOffsetsAbortable {
				want = kerr.TransactionAbortable.Code
			}
			if code := wr.commitOffset(version, group, "a", 1); code != want {
				t.Errorf("v%d: offsets of a group that was not added: code %d", version, code)
			}
			if code := wr.addOffsets(min(version, 4), group); code != 0 {
				t.Fatalf("v%d: add offsets: code %d", version, code)
			}
		}
		if code := wr.commitOffset(version, group, "a", 41); code != 0 {
			t.Fatalf("v%d: code %d", version, code)
		}
		for _, topic := range []string{"a", ""} {
			if _, code := w.stableOffset(group, topic); code != kerr.UnstableOffsetCommit.Code {
				t.Errorf("v%d: an offset that is not decided, asked for by %q: code %d", version, topic, code)
			}
		}
		del := kmsg.NewPtrDeleteGroupsRequest()
		del.Groups = []string{group}
		if code := ask[*kmsg.DeleteGroupsResponse](w, 2, del).Groups[0].ErrorCode; code != kerr.NonEmptyGroup.Code {
			t.Errorf("v%d: the group is deleted with code %d", version, code)
		}
		forget := kmsg.NewPtrOffsetDeleteRequest()
		forget.Group = group
		forget.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: "a", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{}}}}
		if code := ask[*kmsg.OffsetDeleteResponse](w, 0, forget).Topics[0].Partitions[0].ErrorCode; code != kerr.GroupSubscribedToTopic.Code {
			t.Errorf("v%d: the offset is deleted with code %d", version, code)
		}
		if code := wr.end(5, true); code != 0 {
			t.Fatalf("v%d: end: code %d", version, code)
		}
		if offset, code := w.stableOffset(group, "a"); offset != 41 || code != 0 {
			t.Errorf("v%d: offset %d, code %d after the commit", version, offset, code)
		}
		if code := wr.commitOffset(5, group, "a", 99); code != 0 {
			t.Fatalf("v%d: code %d", version, code)
		}
		if code := wr.end(5, false); code != 0 {
			t.Fatalf("v%d: abort: code %d", version, code)
		}
		if offset, code := w.stableOffset(group, "a"); offset != 41 || code != 0 {
			t.Errorf("v%d: offset %d, code %d after the abort", version, offset, code)
		}
	}
}

// Goal: a group's coordinator that is loaded again knows what is undecided, and what the
// markers decided while nobody had it in memory. Method: one broker, stopped and started
// with a transaction open, and after its end.
func TestUndecidedOffsetsOutliveTheCoordinator(t *testing.T) {
	dir := t.TempDir()
	at := func(c *Config) { c.DataDir = dir; c.Groups.OffsetsPartitions, c.Transactions.StatePartitions = 2, 2 }
	var producer txn.Producer
	t.Run("open", func(t *testing.T) {
		s, _ := startServer(t, withoutDelay, at)
		dial(t, s.Addr("")).createTopic("a", 1)
		wr := begin(t, s.Addr(""), "x")
		if code := wr.commitOffset(5, "g", "a", 7); code != 0 {
			t.Fatalf("code %d", code)
		}
		producer = wr.Producer
	})
	t.Run("decided", func(t *testing.T) {
		s, _ := startServer(t, withoutDelay, at)
		w := dial(t, s.Addr(""))
		if _, code := w.stableOffset("g", "a"); code != kerr.UnstableOffsetCommit.Code {
			t.Errorf("code %d", code)
		}
		wr := &writer{w: w, id: "x", Producer: producer}
		if code := wr.end(5, true); code != 0 {
			t.Fatalf("end: code %d", code)
		}
	})
	t.Run("after", func(t *testing.T) {
		s, _ := startServer(t, withoutDelay, at)
		if offset, code := dial(t, s.Addr("")).stableOffset("g", "a"); offset != 7 || code != 0 {
			t.Errorf("offset %d, code %d", offset, code)
		}
	})
}

// Goal: consume, transform, produce with a stock client: each input is in the output once,
// although every third transaction is aborted.
func TestConsumeTransformProduce(t *testing.T) {
	s, cl := startServer(t, withoutDelay)
	w := dial(t, s.Addr(""))
	w.createTopic("in", 1)
	w.createTopic("out", 1)
	var want []string
	for i := range 30 {
		v := string(rune('A' + i))
		want = append(want, v)
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "in", Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(s.Addr("")), kgo.TransactionalID("x"), kgo.ConsumerGroup("g"),
		kgo.ConsumeTopics("in"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for done, round := 0, 0; done < len(want); round++ {
		fetches := session.PollRecords(ctx, 4)
		if err := ctx.Err(); err != nil {
			t.Fatalf("after %d: %v", done, err)
		}
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := session.Begin(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { session.Produce(ctx, &kgo.Record{Topic: "out", Value: r.Value}, nil) })
		committed, err := session.End(ctx, kgo.TransactionEndTry(round%3 != 1))
		if err != nil {
			t.Fatal(err)
		}
		if committed {
			done += fetches.NumRecords()
		}
	}
	wantCommitted(t, s.Addr(""), "out", 0, want...)
	if offset, code := w.stableOffset("g", "in"); offset != int64(len(want)) || code != 0 {
		t.Errorf("the group is at %d, code %d", offset, code)
	}
}

// produceBatch sends one batch and returns its code.
func produceBatch(w *wire, version int16, id *string, topic string, partition int32, batch []byte) int16 {
	req := kmsg.NewPtrProduceRequest()
	req.TransactionID, req.Acks, req.TimeoutMillis = id, -1, 10_000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: partition, Records: batch}}}}
	return ask[*kmsg.ProduceResponse](w, version, req).Topics[0].Partitions[0].ErrorCode
}

// writerBatch is a batch of a producer.
func writerBatch(p txn.Producer, sequence int32, transactional bool, values ...string) []byte {
	b := record.NewBuilder(record.CodecNone).Producer(protocol.ProducerID(p.ID), protocol.ProducerEpoch(p.Epoch), protocol.Sequence(sequence))
	if transactional {
		b.Transactional()
	}
	for _, v := range values {
		b.Add(record.Record{Timestamp: time.Now().UnixMilli(), Value: []byte(v)})
	}
	raw, err := b.Build()
	if err != nil {
		panic(err)
	}
	return raw
}
