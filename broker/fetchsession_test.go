package broker

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// TestFetchSessionsKeepKafkasRules runs testdata/fetchsessions: each file is a
// conversation of one client with a broker, to be had with Apache Kafka as well:
//
//	LOCKSTEP_KAFKA=HOST:PORT go test ./broker -run TestFetchSessionsKeepKafkasRules
//
// Apache Kafka 4.3.1 passes.
func TestFetchSessionsKeepKafkasRules(t *testing.T) {
	datadriven.Walk(t, "testdata/fetchsessions", func(t *testing.T, path string) {
		s := newFetchStory(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.w.t = t
			switch d.Cmd {
			case "create":
				return s.create(d)
			case "delete":
				ask[*kmsg.DeleteTopicsResponse](s.w, 5, deleteTopicRequest(s.name(d.CmdArgs[0].Key)))
				return "ok"
			case "produce":
				return s.produce(d)
			case "fetch":
				return s.fetch(d)
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

// fetchStory is a client. The names of its topics have an ending that the story
// does not show, and the ids of its sessions are told as S1, S2, ...
type fetchStory struct {
	w        *wire
	suffix   string
	ids      map[string][16]byte
	sessions []int32
}

func newFetchStory(t *testing.T) *fetchStory {
	s := &fetchStory{ids: map[string][16]byte{}, suffix: fmt.Sprintf(".%d", time.Now().UnixNano())}
	addr := os.Getenv("LOCKSTEP_KAFKA")
	if addr == "" {
		b, _ := startServer(t)
		addr = b.Addr("")
	}
	s.w = dial(t, addr)
	return s
}

func (s *fetchStory) name(topic string) string { return topic + s.suffix }

// create TOPIC=PARTITIONS...
func (s *fetchStory) create(d *datadriven.TestData) string {
	for _, arg := range d.CmdArgs {
		n, _ := strconv.Atoi(arg.Vals[0])
		s.w.createTopic(s.name(arg.Key), int32(n))
		req := kmsg.NewPtrMetadataRequest()
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(s.name(arg.Key))
		req.Topics = []kmsg.MetadataRequestTopic{topic}
		s.ids[arg.Key] = ask[*kmsg.MetadataResponse](s.w, 12, req).Topics[0].TopicID
		s.awaitLed(arg.Key, int32(n))
	}
	return "ok"
}

// awaitLed waits until a broker leads all partitions of a new topic: Kafka's answers
// the creation first.
func (s *fetchStory) awaitLed(topic string, partitions int32) {
	for index := range partitions {
		req := listOffsetsRequest(s.name(topic), timeLatest)
		req.Topics[0].Partitions[0].Partition = index
		comesTo(s.w.t, "a leader of a new partition", func() bool {
			return ask[*kmsg.ListOffsetsResponse](s.w, 7, req).Topics[0].Partitions[0].ErrorCode == 0
		})
	}
}

// produce TOPIC-PARTITION batches=N: one record of 1,000 bytes in each.
func (s *fetchStory) produce(d *datadriven.TestData) string {
	topic, index := splitPartition(d.CmdArgs[0].Key)
	batches := 1
	d.MaybeScanArgs(s.w.t, "batches", &batches)
	for range batches {
		b := record.NewBuilder(record.CodecNone)
		b.Add(record.Record{Timestamp: nowMs(), Value: make([]byte, 1000)})
		raw, err := b.Build()
		if err != nil {
			s.w.t.Fatal(err)
		}
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 10_000
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: s.name(topic), Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: index, Records: raw}}}}
		if code := ask[*kmsg.ProduceResponse](s.w, 9, req).Topics[0].Partitions[0].ErrorCode; code != 0 {
			return nameOfCode(code)
		}
	}
	return "ok"
}

func splitPartition(text string) (topic string, index int32) {
	topic, number, _ := strings.Cut(text, "-")
	n, _ := strconv.Atoi(number)
	return topic, int32(n)
}

// fetch [v=N] session=none|Sn|unknown epoch=N [max-bytes=N] [bound=stable]: a line of
// the input is a partition with its offset, or "forget" and a partition.
func (s *fetchStory) fetch(d *datadriven.TestData) string {
	version, epoch, bytesMax, session, bound := 11, 0, 1<<20, "none", ""
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes = 0, 1
	d.MaybeScanArgs(s.w.t, "v", &version)
	d.MaybeScanArgs(s.w.t, "session", &session)
	d.MaybeScanArgs(s.w.t, "epoch", &epoch)
	d.MaybeScanArgs(s.w.t, "max-bytes", &bytesMax)
	if d.MaybeScanArgs(s.w.t, "bound", &bound); bound == "stable" {
		req.IsolationLevel = 1
	}
	req.SessionID, req.SessionEpoch, req.MaxBytes = s.sessionID(session), int32(epoch), int32(bytesMax)
	for line := range strings.Lines(d.Input) {
		fields := strings.Fields(line)
		if fields[0] == "forget" {
			topic, index := splitPartition(fields[1])
			req.ForgottenTopics = append(req.ForgottenTopics, kmsg.FetchRequestForgottenTopic{
				Topic: s.name(topic), TopicID: s.ids[topic], Partitions: []int32{index},
			})
			continue
		}
		topic, index := splitPartition(fields[0])
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.PartitionMaxBytes = index, 1<<20
		rp.FetchOffset, _ = strconv.ParseInt(fields[1], 10, 64)
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic, rt.TopicID, rt.Partitions = s.name(topic), s.ids[topic], []kmsg.FetchRequestTopicPartition{rp}
		req.Topics = append(req.Topics, rt)
	}
	return s.tell(ask[*kmsg.FetchResponse](s.w, int16(version), req), d.HasArg("max-bytes"))
}

func (s *fetchStory) sessionID(name string) int32 {
	switch name {
	case "none":
		return 0
	case "unknown":
		return 4711
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "S"))
	if err != nil || n > len(s.sessions) {
		s.w.t.Fatalf("there is no session %s", name)
	}
	return s.sessions[n-1]
}

func (s *fetchStory) sessionName(id int32) string {
	if id == 0 {
		return "none"
	}
	for i, have := range s.sessions {
		if have == id {
			return fmt.Sprintf("S%d", i+1)
		}
	}
	s.sessions = append(s.sessions, id)
	return fmt.Sprintf("S%d", len(s.sessions))
}

// tell says what is in the answer; the order of the partitions only where it matters.
func (s *fetchStory) tell(resp *kmsg.FetchResponse, ordered bool) string {
	var lines []string
	for _, t := range resp.Topics {
		name := strings.TrimSuffix(t.Topic, s.suffix)
		for known, id := range s.ids {
			if name == "" && id == t.TopicID {
				name = known
			}
		}
		for _, p := range t.Partitions {
			line := fmt.Sprintf("%s-%d high watermark %d", name, p.Partition, p.HighWatermark)
			if first, n := batchesIn(p.RecordBatches); n > 0 {
				line += fmt.Sprintf(", %d batches from %d on", n, first)
			}
			if p.ErrorCode != 0 {
				line = fmt.Sprintf("%s-%d %s", name, p.Partition, nameOfCode(p.ErrorCode))
			}
			lines = append(lines, line)
		}
	}
	if !ordered {
		slices.Sort(lines)
	}
	code := "ok"
	if resp.ErrorCode != 0 {
		code = nameOfCode(resp.ErrorCode)
	}
	return strings.Join(append([]string{fmt.Sprintf("%s, session %s", code, s.sessionName(resp.SessionID))}, lines...), "\n")
}

func nameOfCode(code int16) string { return kerr.TypedErrorForCode(code).Message }

// batchesIn counts whole batches.
func batchesIn(raw []byte) (first protocol.Offset, n int) {
	for len(raw) > 0 {
		b, size, err := record.View(raw)
		if err != nil {
			break
		}
		if n == 0 {
			first = b.BaseOffset()
		}
		n, raw = n+1, raw[size:]
	}
	return first, n
}

// TestFetchOutsideASessionIsAnsweredWhateverItsID: clients that know no
// sessions send an id of 0 or of -1, and others the id of the one they end.
func TestFetchOutsideASessionIsAnsweredWhateverItsID(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	write(t, cl, "t", 0, 1)
	for _, c := range []struct {
		id, epoch int32
		begins    bool
		want      int16
	}{
		{0, 0, true, 0}, {0, -1, false, 0}, {-1, -1, false, 0}, {7, -1, false, 0}, {7, 0, true, 0},
		{0, 1, false, kerr.FetchSessionIDNotFound.Code}, {7, 1, false, kerr.FetchSessionIDNotFound.Code}, {0, -2, false, kerr.FetchSessionIDNotFound.Code},
	} {
		req := asksFor(0, 1)
		req.SessionID, req.SessionEpoch = c.id, c.epoch
		resp := ask[*kmsg.FetchResponse](w, 11, req)
		served := len(resp.Topics) == 1 && len(resp.Topics[0].Partitions[0].RecordBatches) > 0
		if resp.ErrorCode != c.want || resp.SessionID != 0 != c.begins || served != (c.want == 0) {
			t.Errorf("session %d, epoch %d: code %d, session %d, served %v; want code %d", c.id, c.epoch, resp.ErrorCode, resp.SessionID, served, c.want)
		}
	}
}
