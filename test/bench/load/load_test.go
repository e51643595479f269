package load

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/test/bench/floor"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "load"

// startFloor runs a floor that admits everything, on loopback, for one test.
func startFloor(t *testing.T, stages floor.Stages) string {
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
	return s.Addr()
}

func startKfake(t *testing.T) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// readAll reads n records by a stock client.
func readAll(t *testing.T, addr string, n int64) []*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var got []*kgo.Record
	for int64(len(got)) < n {
		fetches := cl.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got = append(got, fetches.Records()...)
	}
	return got
}

func mustRun(t *testing.T, p Produce) Result {
	t.Helper()
	r, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Goal: the hand-made batch is one that others read. Method: a stock client
// reads what the raw load wrote, from the floor and from a Kafka look-alike.
func TestStockClientReadsWhatRawLoadWrote(t *testing.T) {
	servers := map[string]string{
		"floor":        startFloor(t, floor.Stages{CRC: true, Write: true}),
		"floor, fsync": startFloor(t, floor.Stages{CRC: true, Write: true, Fsync: true}),
		"kfake":        startKfake(t),
	}
	for name, addr := range servers {
		t.Run(name, func(t *testing.T) {
			r := mustRun(t, Produce{Addr: addr, Topic: topic, Shape: Shape{Records: 7, Value: 100},
				Conns: 3, InFlight: 5, Limit: Limit{Requests: 60}})
			if r.Requests != 60 || r.Records != 420 || r.Latency.TotalCount() != 60 {
				t.Fatalf("result %+v with %d latencies, want 60 requests, 420 records", r, r.Latency.TotalCount())
			}
			for i, rec := range readAll(t, addr, 420) {
				if rec.Offset != int64(i) || string(rec.Value) != string(payload(100)) || len(rec.Headers) != 0 {
					t.Fatalf("record %d is %+v", i, rec)
				}
			}
		})
	}
}

// Goal: the conditional load is checked against true bases and never refused.
// Method: the floor admits all; the log is then judged by the rule itself.
func TestEveryConditionalAppendSatisfiesTheRule(t *testing.T) {
	for _, shape := range []Shape{
		{Records: 1, Value: 10, Locks: 1},
		{Records: 5, Value: 10, Locks: 2, Live: 130},
		{Records: 3, Value: 10, Locks: 8, Live: 1000},
	} {
		for _, rate := range []float64{0, 20_000} {
			addr := startFloor(t, floor.Stages{CRC: true, Write: true, Fsync: true})
			r := mustRun(t, Produce{Addr: addr, Topic: topic, Shape: shape, Conns: 2, InFlight: 3,
				Limit: Limit{Requests: 300}, Rate: rate})
			judge(t, shape, readAll(t, addr, r.Records+1))
		}
	}
}

// judge replays the log: each lock's last write must be at or below the basis,
// and the basis an offset that exists.
func judge(t *testing.T, shape Shape, log []*kgo.Record) {
	t.Helper()
	last := map[string]int64{}
	rewritten := 0
	for _, rec := range log[1:] {
		headers := map[string]string{}
		for _, h := range rec.Headers {
			headers[h.Key] = string(h.Value)
		}
		basis, err := strconv.ParseInt(headers["lock-basis"], 10, 64)
		if err != nil || basis < 0 || basis >= rec.Offset {
			t.Fatalf("offset %d has basis %q", rec.Offset, headers["lock-basis"])
		}
		names := strings.Fields(headers["lock-write"])
		if len(names) != shape.Locks {
			t.Fatalf("offset %d has locks %q, want %d", rec.Offset, names, shape.Locks)
		}
		for _, name := range names {
			at, written := last[name]
			if written && at > basis {
				t.Fatalf("%s: lock %s was written at %d, after basis %d", shape, name, at, basis)
			}
			if written {
				rewritten++
			}
			last[name] = rec.Offset
		}
	}
	if shape.Live > 0 && (rewritten == 0 || len(last) > shape.Live) {
		t.Errorf("%s: %d locks, %d written again", shape, len(last), rewritten)
	}
}

func TestOpenLoopSendsItsScheduleAndCountsFromIt(t *testing.T) {
	addr := startFloor(t, floor.Stages{CRC: true, Write: true})
	r := mustRun(t, Produce{Addr: addr, Topic: topic, Shape: Shape{Records: 1, Value: 1},
		Conns: 2, InFlight: 2, Limit: Limit{Requests: 100}, Rate: 1e9})
	if r.Requests != 100 || r.Latency.TotalCount() != 100 {
		t.Fatalf("%d requests, %d latencies, want 100", r.Requests, r.Latency.TotalCount())
	}
}

func TestLimitEndsARunAtBytesOrTime(t *testing.T) {
	addr := startFloor(t, floor.Stages{})
	one := mustRun(t, Produce{Addr: addr, Topic: topic, Shape: Shape{Records: 1, Value: 100}, Limit: Limit{Requests: 1}})
	r := mustRun(t, Produce{Addr: addr, Topic: topic, Shape: Shape{Records: 1, Value: 100}, InFlight: 4, Limit: Limit{Bytes: 10*one.Bytes + 1}})
	if r.Requests != 11 {
		t.Errorf("%d requests by bytes, want 11", r.Requests)
	}
	r = mustRun(t, Produce{Addr: addr, Topic: topic, Shape: Shape{Records: 1, Value: 100}, InFlight: 4, Limit: Limit{Duration: time.Millisecond}})
	if r.Requests == 0 || r.Requests != r.Latency.TotalCount() {
		t.Errorf("%d requests by time, %d latencies", r.Requests, r.Latency.TotalCount())
	}
	if _, err := (Produce{Addr: addr}).Run(t.Context()); err == nil {
		t.Error("a run without a limit was begun")
	}
}

// Goal: the consume load counts whole batches only and sees all of them, also
// when a fetch cuts a batch.
func TestConsumeCountsEachRecordOnce(t *testing.T) {
	servers := map[string]string{"floor": startFloor(t, floor.Stages{CRC: true, Write: true}), "kfake": startKfake(t)}
	for name, addr := range servers {
		t.Run(name, func(t *testing.T) {
			wrote := mustRun(t, Produce{Addr: addr, Topic: topic, Shape: Shape{Records: 10, Value: 100}, InFlight: 2, Limit: Limit{Requests: 50}})
			read, err := Consume{Addr: addr, Topic: topic, FetchBytes: 7000}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if read.Records < wrote.Records || read.Bytes < wrote.Bytes {
				t.Fatalf("read %d records, %d bytes; written %d, %d", read.Records, read.Bytes, wrote.Records, wrote.Bytes)
			}
			twice, err := Consume{Addr: addr, Topic: topic, Conns: 2, Limit: Limit{Bytes: 4 * wrote.Bytes}}.Run(t.Context())
			if err != nil || twice.Bytes < 4*wrote.Bytes {
				t.Fatalf("read %d bytes again, want %d; %v", twice.Bytes, 4*wrote.Bytes, err)
			}
		})
	}
}

func TestStockClientLoadRoundTrips(t *testing.T) {
	servers := map[string]string{
		"floor": startFloor(t, floor.Stages{CRC: true, Write: true, Fsync: true}),
		"kfake": startKfake(t),
	}
	for name, addr := range servers {
		t.Run(name, func(t *testing.T) {
			shape := Shape{Value: 100, Locks: 2}
			wrote, err := StockProduce{Addr: addr, Topic: topic, Shape: shape, Limit: Limit{Requests: 5000}}.Run(t.Context())
			if err != nil || wrote.Records != 5000 {
				t.Fatalf("produced %d records, %v", wrote.Records, err)
			}
			read, err := StockConsume{Addr: addr, Topic: topic, Records: 5001}.Run(t.Context())
			if err != nil || read.Records < 5001 {
				t.Fatalf("consumed %d records, %v", read.Records, err)
			}
			judge(t, shape, readAll(t, addr, 5001))
		})
	}
}

// Goal: a refusal ends the run and says why. Method: a server that answers
// every produce with the text of a conflict.
func TestRefusalEndsTheRunWithItsText(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const text = "CONFLICT lock=acct:7 last=18 basis=12 by=req-9 record=0: read up to offset 18 and try again"
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return refuseAll(req.(*kmsg.ProduceRequest), text), nil, true
	})
	_, err = Produce{Addr: c.ListenAddrs()[0], Topic: topic, Shape: Shape{Records: 1}, InFlight: 3, Limit: Limit{Requests: 9}}.Run(t.Context())
	var refused *Refused
	if !errors.As(err, &refused) || refused.Message != text || !errors.Is(err, kerr.PolicyViolation) {
		t.Fatalf("got %v", err)
	}
}

func refuseAll(req *kmsg.ProduceRequest, text string) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, rt := range req.Topics {
		st := kmsg.NewProduceResponseTopic()
		st.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			sp := kmsg.NewProduceResponseTopicPartition()
			sp.Partition, sp.ErrorCode, sp.ErrorMessage = rp.Partition, kerr.PolicyViolation.Code, &text
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}

func TestCancelledRunEndsAndSaysSo(t *testing.T) {
	addr := startFloor(t, floor.Stages{CRC: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Produce{Addr: addr, Topic: topic, Shape: Shape{Records: 1}, Limit: Limit{Duration: time.Hour}}.Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}
