package broker

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// headed is a batch without a producer, a record for each list of headers as
// "key=value".
func headed(t *testing.T, records ...[]string) []byte {
	t.Helper()
	var all []record.Record
	for _, headers := range records {
		r := record.Record{Timestamp: nowMs(), Value: []byte("v")}
		for _, h := range headers {
			key, value, _ := strings.Cut(h, "=")
			r.Headers = append(r.Headers, record.Header{Key: key, Value: []byte(value)})
		}
		all = append(all, r)
	}
	return batchOf(t, record.CodecNone, all...)
}

// batches are those of a partition's log.
func batches(t *testing.T, p *partitions.Partition) (all []record.Batch) {
	t.Helper()
	for raw := logBytes(t, p.Partition); len(raw) > 0; {
		b, n, err := record.View(raw)
		if err != nil {
			t.Fatal(err)
		}
		all, raw = append(all, b), raw[n:]
	}
	return all
}

// stores produces a batch to partition 0 and returns the answer.
func (w *wire) stores(topic string, acks int16, batch []byte, tags ...uint32) kmsg.ProduceResponseTopicPartition {
	w.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 1000
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = batch
	for _, tag := range tags {
		rp.UnknownTags.Set(tag, []byte{1})
	}
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{rp}}}
	return ask[*kmsg.ProduceResponse](w, 9, req).Topics[0].Partitions[0]
}

// copies are what pipelines make of lock requests: bases of another log, headers
// that a converter has rewritten, or dropped, or that are somebody else's.
func copies(t *testing.T) [][]byte {
	return [][]byte{
		headed(t, []string{"lock-write=acct:7", "lock-basis=4711", "lock-id=req-1"}),
		headed(t, []string{"lock-write=acct:7", "lock-basis=none", "lock-id=req-1"}, []string{"trace=1"}),
		headed(t, []string{"lock-write=acct:7", "lock-basis=7.0"}, []string{"lock-owner=me"}, []string{"lock-write=acct:8"}),
		headed(t, []string{"lock-append=acct:9", "lock-append=acct:10"}),
	}
}

// TestATopicThatHoldsCopiesStoresLockHeadersAsAnyOthers, with the acks that come,
// whether it says so or its name does.
func TestATopicThatHoldsCopiesStoresLockHeadersAsAnyOthers(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("copies", 1, "conflict.policy", "carry")
	w.createTopic("app-counts-repartition", 1)
	w.createTopic("orders.DLQ", 1)
	w.createTopic("east.orders", 1)
	w.change(ofBroker, "", opAppend, "conflict.carry.topics", `east\..*`)
	if err := s.hosted.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"copies", "app-counts-repartition", "orders.DLQ", "east.orders"} {
		for _, acks := range []int16{-1, 1} {
			for i, batch := range copies(t) {
				if got := w.stores(topic, acks, batch); got.ErrorCode != 0 {
					t.Errorf("%s, acks %d, batch %d: code %d: %s", topic, acks, i, got.ErrorCode, text(got.ErrorMessage))
				}
			}
		}
		p := s.hosted.Topic(topic).Partition(0)
		if n := p.End(); n != 14 {
			t.Errorf("%s holds %d records, want 14", topic, n)
		}
		for name, want := range map[string]protocol.Offset{"acct:7": 10, "acct:8": 12, "acct:9": 13, "acct:10": 13} {
			item, err := protocol.ParseLockName(name)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.Lock(item); err != nil || got.Last != want {
				t.Errorf("%s: last(%s) is %v, %v; want %v", topic, name, got.Last, err, want)
			}
		}
		all := batches(t, p)
		for _, b := range all {
			if !b.Carried() {
				t.Errorf("%s: the batch at %d is not said to be carried", topic, b.BaseOffset())
			}
		}
		if len(all) != 8 {
			t.Errorf("%s holds %d batches, want 8", topic, len(all))
		}
	}
	if got := w.stores("copies", 1, headed(t, []string{"trace=1"})); got.ErrorCode != 0 {
		t.Errorf("plain: %s", text(got.ErrorMessage))
	}
	if all := batches(t, s.hosted.Topic("copies").Partition(0)); all[len(all)-1].Carried() {
		t.Error("a batch without lock headers is said to be carried")
	}
	if n := s.conflictsOf(t, "copies", "carried"); n != 8 {
		t.Errorf("%v batches counted as carried, want 8", n)
	}
}

// conflictsOf reads lockstep_conflict_appends_total.
func (s *Server) conflictsOf(t *testing.T, topic, result string) float64 {
	t.Helper()
	all, err := s.metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() != "lockstep_conflict_appends_total" {
			continue
		}
		for _, m := range f.Metric {
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["topic"] == topic && labels["result"] == result {
				return m.Counter.GetValue()
			}
		}
	}
	return 0
}

// TestWhoWantsAJudgementIsRefusedWhereThereIsNone.
func TestWhoWantsAJudgementIsRefusedWhereThereIsNone(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("copies", 1, "conflict.policy", "carry")
	const why = "MALFORMED record=1: conflict.policy=carry: locks are not judged here"
	for name, tag := range map[string]uint32{"a verdict per append": protocol.TagVerdicts, "a judgement": protocol.TagJudged} {
		got := w.stores("copies", -1, headed(t, nil, []string{"lock-id=one"}), tag)
		if got.ErrorCode != kerr.InvalidRecord.Code || text(got.ErrorMessage) != why || len(got.ErrorRecords) != 1 || got.ErrorRecords[0].RelativeOffset != 1 {
			t.Errorf("%s: code %d: %s, of records %v", name, got.ErrorCode, text(got.ErrorMessage), got.ErrorRecords)
		}
		if got := w.stores("copies", -1, headed(t, []string{"trace=1"}), tag); got.ErrorCode != 0 {
			t.Errorf("%s without locks: code %d: %s", name, got.ErrorCode, text(got.ErrorMessage))
		}
	}
	if n := s.hosted.Topic("copies").Partition(0).End(); n != 2 {
		t.Errorf("%d records were written, want 2", n)
	}
	if latest, _ := s.hosted.Topic("copies").Partition(0).Refusals(); len(latest) != 2 {
		t.Errorf("%d refusals are noted, want 2", len(latest))
	}
}

// TestACopyThatIsPromotedRefusesWhatItsOwnLogSpeaksAgainst, on the broker that
// took the copies and on one that followed it.
func TestACopyThatIsPromotedRefusesWhatItsOwnLogSpeaksAgainst(t *testing.T) {
	ps := startPeers(t, 2)
	ps.create("mirror", 1, 1, 2)
	ps.partition(2, "mirror", 0)
	w := dial(t, ps.all[1].Addr(""))
	policy := func(to string) {
		t.Helper()
		w.change(ofTopic, "mirror", opSet, "conflict.policy", to)
		for id := range ps.all {
			ps.await("the policy", func() bool { return string(ps.all[id].hosted.Topic("mirror").Settings.ConflictPolicy) == to })
		}
	}
	policy("carry")
	for i, batch := range copies(t) {
		if got := w.stores("mirror", -1, batch); got.ErrorCode != 0 {
			t.Fatalf("batch %d: code %d: %s", i, got.ErrorCode, text(got.ErrorMessage))
		}
	}
	ps.awaitEqual("mirror", 0, 1, 2)
	policy("optional")
	check := func(w *wire, what string) {
		t.Helper()
		late := w.stores("mirror", -1, headed(t, []string{"lock-write=acct:7", "lock-basis=1"}))
		if !strings.HasPrefix(text(late.ErrorMessage), "CONFLICT lock=acct:7 last=3 basis=1 by=- record=0: ") {
			t.Errorf("%s: code %d: %s", what, late.ErrorCode, text(late.ErrorMessage))
		}
		if again := w.stores("mirror", -1, headed(t, []string{"lock-write=acct:7", "lock-basis=none", "lock-id=req-1"})); again.ErrorCode != 0 || again.BaseOffset != 0 {
			t.Errorf("%s: the id that came twice: code %d, offset %d: %s", what, again.ErrorCode, again.BaseOffset, text(again.ErrorMessage))
		}
		copied := w.stores("mirror", -1, copies(t)[2])
		if !strings.HasSuffix(text(copied.ErrorMessage), "; if this topic holds copies, set conflict.policy=carry") {
			t.Errorf("%s: another copy: code %d: %s", what, copied.ErrorCode, text(copied.ErrorMessage))
		}
	}
	check(w, "leader")
	ps.awaitInSync("mirror", 0, 2)
	ps.halt(1)
	ps.await("another leader", func() bool { return ps.leader("mirror", 0) == 2 })
	ps.await("it to be settled", func() bool { return ps.partition(2, "mirror", 0).State().Settled })
	check(dial(t, ps.all[2].Addr("")), "its follower")
}

// TestCopiesWrittenInAnyCompressionMark: whoever folds them opens them, as they
// come and as the topic has them.
func TestCopiesWrittenInAnyCompressionMark(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("producer", 1, "conflict.policy", "carry")
	w.createTopic("lz4", 1, "conflict.policy", "carry", "compression.type", "lz4")
	item, err := protocol.ParseLockName("acct:7")
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"producer", "lz4"} {
		for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
			cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr("")), kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			if err != nil {
				t.Fatal(err)
			}
			writeLocked(t, cl, topic, 0, "lock-write=acct:7", "lock-basis=4711", "lock-owner="+strings.Repeat("x", 100))
			cl.Close()
			if got, err := s.hosted.Topic(topic).Partition(0).Lock(item); err != nil || int(got.Last) != i {
				t.Errorf("%s, codec %d: last is %v, %v", topic, i, got.Last, err)
			}
		}
		for _, b := range batches(t, s.hosted.Topic(topic).Partition(0)) {
			if !b.Carried() {
				t.Errorf("%s: the batch at %d is not said to be carried", topic, b.BaseOffset())
			}
		}
		if n := s.conflictsOf(t, topic, "carried"); n != 5 {
			t.Errorf("%s: %v batches counted as carried, want 5", topic, n)
		}
	}
}
