package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// startServer runs a real broker, with embedded etcd and a disk, until the test
// ends, and a stock client of it.
func startServer(t testing.TB, opts ...func(*Config)) (*Server, *kgo.Client) {
	t.Helper()
	return startServerOn(t, vfs.Default, opts...)
}

// startServerOn is startServer on a file system that may fail.
func startServerOn(t testing.TB, fs vfs.FS, opts ...func(*Config)) (*Server, *kgo.Client) {
	t.Helper()
	cfg := Config{
		NodeID:           1,
		DataDir:          t.TempDir(),
		Listeners:        []Listener{{Name: "PLAINTEXT", Addr: "127.0.0.1:0"}},
		AutoCreateTopics: true,
		Logger:           slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, o := range opts {
		o(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.fs = fs
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil && !errors.Is(err, errDisk) {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-s.Ready():
	case err := <-ran:
		ran <- nil
		t.Fatalf("Run ended before it was ready: %v", err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr("")), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return s, cl
}

// testLog is what the broker has to say, told by the test when it fails.
type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	if l.t.Context().Err() == nil { // after the test nobody may log to it
		l.t.Logf("%s", b)
	}
	return len(b), nil
}

// wire is a connection that speaks requests of exactly the version asked for,
// without a client's choices in between.
type wire struct {
	t  *testing.T
	nc net.Conn
	id int32
}

func dial(t *testing.T, addr string) *wire {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &wire{t: t, nc: nc}
}

// wireTimeout bounds a lost answer; no test depends on its length.
const wireTimeout = time.Minute

// ask sends a request as version v and decodes the answer. What it decodes to
// must encode to the same bytes again.
func ask[R kmsg.Response](w *wire, v int16, req kmsg.Request) R {
	w.t.Helper()
	req.SetVersion(v)
	w.id++
	w.nc.SetDeadline(time.Now().Add(wireTimeout))
	name := kmsg.NameForKey(req.Key())
	if _, err := w.nc.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("wire")).AppendRequest(nil, req, w.id)); err != nil {
		w.t.Fatalf("%s v%d: send: %v", name, v, err)
	}
	body := w.read(name, v)
	if req.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) {
		if body[0] != 0 {
			w.t.Fatalf("%s v%d: the header has %d tags", name, v, body[0])
		}
		body = body[1:]
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(body); err != nil {
		w.t.Fatalf("%s v%d: decode: %v", name, v, err)
	}
	if again := resp.AppendTo(nil); string(again) != string(body) {
		w.t.Errorf("%s v%d: the answer of %d bytes encodes again to %d", name, v, len(body), len(again))
	}
	return resp.(R)
}

// read reads a frame and checks whose answer it is.
func (w *wire) read(name string, v int16) []byte {
	w.t.Helper()
	var length [4]byte
	if _, err := io.ReadFull(w.nc, length[:]); err != nil {
		w.t.Fatalf("%s v%d: no answer: %v", name, v, err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(w.nc, frame); err != nil {
		w.t.Fatalf("%s v%d: cut answer: %v", name, v, err)
	}
	if id := int32(binary.BigEndian.Uint32(frame)); id != w.id {
		w.t.Fatalf("%s v%d: answer to request %d, want %d", name, v, id, w.id)
	}
	return frame[4:]
}

// createTopic creates a topic through the wire.
func (w *wire) createTopic(name string, partitions int32, configs ...string) {
	w.t.Helper()
	resp := ask[*kmsg.CreateTopicsResponse](w, 7, newTopicRequest(name, partitions, configs...))
	if code := resp.Topics[0].ErrorCode; code != 0 {
		w.t.Fatalf("create %s: code %d: %s", name, code, *resp.Topics[0].ErrorMessage)
	}
}

// newTopicRequest asks for one topic; configs are names and values in turn.
func newTopicRequest(name string, partitions int32, configs ...string) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, partitions, -1
	for i := 0; i+1 < len(configs); i += 2 {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
	}
	req.Topics = append(req.Topics, rt)
	return req
}

// write produces records to a partition, one batch each, with the given times.
func write(t *testing.T, cl *kgo.Client, topic string, partition int32, timesMs ...int64) {
	t.Helper()
	for _, ms := range timesMs {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte("v"), Timestamp: time.UnixMilli(ms)}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatalf("produce to %s-%d: %v", topic, partition, err)
		}
	}
}

func text(s *string) string {
	if s == nil {
		return "<null>"
	}
	return *s
}
