package floor_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"testing"

	"github.com/lockstep-log/lockstep/test/bench/floor"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, stages floor.Stages) *floor.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := floor.New(ln, t.TempDir(), stages)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

func client(t *testing.T, s *floor.Server, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(s.Addr()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// Goal: what stock clients are told is durable is what they read. Method: four
// producers at once, then a consumer that starts anew.
func TestStockClientsReadBackWhatTheyWrote(t *testing.T) {
	for _, stages := range []floor.Stages{{CRC: true, Write: true}, {CRC: true, Write: true, Fsync: true}} {
		t.Run(fmt.Sprintf("%+v", stages), func(t *testing.T) {
			s := start(t, stages)
			const producers, each = 4, 200
			acked := make(chan *kgo.Record, producers*each)
			for p := range producers {
				cl := client(t, s)
				for i := range each {
					r := &kgo.Record{Topic: "t", Value: fmt.Appendf(nil, "%d-%d", p, i)}
					cl.Produce(t.Context(), r, func(r *kgo.Record, err error) {
						if err != nil {
							t.Error(err)
						}
						acked <- r
					})
				}
			}
			want := map[int64]string{}
			for range producers * each {
				r := <-acked
				want[r.Offset] = string(r.Value)
			}
			got := consume(t, s, producers*each)
			for o, value := range want {
				if got[o] != value {
					t.Fatalf("offset %d holds %q, acknowledged was %q", o, got[o], value)
				}
			}
		})
	}
}

func consume(t *testing.T, s *floor.Server, n int) map[int64]string {
	t.Helper()
	cl := client(t, s, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtStart()}}))
	got := map[int64]string{}
	for len(got) < n {
		fetches := cl.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got[r.Offset] = string(r.Value) })
	}
	return got
}

// Goal: a batch whose bytes are not those that the client summed is refused,
// between two that are written. Method: one bit turned, three requests in one write.
func TestBatchWithAWrongCRCIsRefusedAndLeavesNoTrace(t *testing.T) {
	for _, fsync := range []bool{false, true} {
		s := start(t, floor.Stages{CRC: true, Write: true, Fsync: fsync})
		good := batch("good")
		bad := bytes.Clone(good)
		bad[len(bad)-1] ^= 1
		answers := exchange(t, s, good, bad, good)
		want := []struct {
			code int16
			base int64
		}{{0, 0}, {kerr.CorruptMessage.Code, -1}, {0, 1}}
		for i, w := range want {
			if p := answers[i].Topics[0].Partitions[0]; p.ErrorCode != w.code || p.BaseOffset != w.base {
				t.Errorf("fsync %v: answer %d is code %d offset %d, want %+v", fsync, i, p.ErrorCode, p.BaseOffset, w)
			}
		}
		if got := consume(t, s, 2); got[0] != "good" || got[1] != "good" {
			t.Errorf("the log holds %v", got)
		}
	}
}

// batch has one record and is encoded by kmsg, by nothing of ours.
func batch(value string) []byte {
	r := kmsg.Record{Key: nil, Value: []byte(value)}
	r.Length = int32(len(r.AppendTo(nil)) - 1) // one byte of length, as long as it is below 64
	b := kmsg.NewRecordBatch()
	b.PartitionLeaderEpoch, b.Magic = -1, 2
	b.ProducerID, b.ProducerEpoch, b.FirstSequence = -1, -1, -1
	b.NumRecords, b.Records = 1, r.AppendTo(nil)
	b.Length = int32(len(b.AppendTo(nil)) - 12)
	b.CRC = int32(crc32.Checksum(b.AppendTo(nil)[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}

// exchange pipelines the batches on one connection and returns the answers,
// whose correlation ids must come in order.
func exchange(t *testing.T, s *floor.Server, batches ...[]byte) []*kmsg.ProduceResponse {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out []byte
	for i, b := range batches {
		out = append(out, kmsg.NewRequestFormatter().AppendRequest(nil, produceRequest(b), int32(i))...)
	}
	if _, err := c.Write(out); err != nil {
		t.Fatal(err)
	}
	var answers []*kmsg.ProduceResponse
	for i := range batches {
		frame := readFrame(t, c)
		if corr := binary.BigEndian.Uint32(frame); corr != uint32(i) {
			t.Fatalf("answer %d has correlation id %d", i, corr)
		}
		resp := kmsg.NewPtrProduceResponse()
		resp.Version = 8
		if err := resp.ReadFrom(frame[4:]); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, resp)
	}
	return answers
}

func produceRequest(records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks = 8, -1
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = records
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = "t"
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

func readFrame(t *testing.T, r io.Reader) []byte {
	t.Helper()
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(r, frame); err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestUnknownRequestClosesItsConnectionAndNoOther(t *testing.T) {
	s := start(t, floor.Stages{CRC: true, Write: true, Fsync: true})
	for _, garbage := range []string{"\x00\x00\x00\x04\x00\x63\x00\x00", "\xff\xff\xff\xff", "\x00\x00\x00\x0a\x00\x00\x00\x08\x00\x00\x00\x01\xff\xff"} {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, garbage); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || errors.Is(err, net.ErrClosed) {
			t.Errorf("%x was answered", garbage)
		}
		c.Close()
	}
	if p := exchange(t, s, batch("v"))[0].Topics[0].Partitions[0]; p.ErrorCode != 0 {
		t.Errorf("code %d", p.ErrorCode)
	}
}

func TestSyncWithoutWriteIsRefused(t *testing.T) {
	if _, err := floor.New(nil, t.TempDir(), floor.Stages{Fsync: true}); err == nil {
		t.Fatal("started")
	}
}
