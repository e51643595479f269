package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// The tests run a SocketServer with a Handler of their own over real sockets.

const testTimeout = 30 * time.Second

// testHandler answers each request at once by a number, unless told otherwise.
type testHandler struct {
	handle  func(x *Exchange) error
	refused func(x *Exchange) error
	ended   func(c *Conn)
}

func (h *testHandler) Handle(x *Exchange) error {
	if h.handle == nil {
		x.Finish(number(0))
		return nil
	}
	return h.handle(x)
}

func (h *testHandler) HandleRefused(x *Exchange) error {
	if h.refused == nil {
		return x.Refused
	}
	return h.refused(x)
}

func (h *testHandler) ConnectionEnded(c *Conn) {
	if h.ended != nil {
		h.ended(c)
	}
}

// number is an answer: correlation id and itself.
type number int32

func (n number) Encode(dst []byte, h protocol.Header) ([]byte, error) {
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.CorrelationID))
	return binary.BigEndian.AppendUint32(dst, uint32(n)), nil
}

// logText is what was logged.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logText) has(t *testing.T, text string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		said := l.b.String()
		l.mu.Unlock()
		switch {
		case strings.Contains(said, text):
			return
		case time.Since(began) > testTimeout:
			t.Fatalf("the log does not say %q:\n%s", text, said)
		}
	}
}

// listening runs a server with one listener.
func listening(t testing.TB, o Options) (s *SocketServer, l *Listener) {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Limits = LimitsOf(map[int16]Limits{protocol.KeyProduce: {Pipelined: true, MemoryFactor: 1}})
	s = New(o)
	l, err := Bind(ListenerConfig{Name: "TEST", Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, l
}

// client is a connection to the server under test.
type client struct {
	t  testing.TB
	nc net.Conn
}

func dial(t testing.TB, l *Listener) *client {
	t.Helper()
	nc, err := net.Dial("tcp", l.Bound())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(testTimeout))
	return &client{t, nc}
}

// request is a frame of a version that has no tags.
func request(key, version int16, correlation int32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+2+4+len(body)))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(correlation))
	b = append(binary.BigEndian.AppendUint16(b, 4), "test"...)
	return append(b, body...)
}

func (c *client) send(frames ...[]byte) {
	c.t.Helper()
	if _, err := c.nc.Write(bytes.Join(frames, nil)); err != nil {
		c.t.Fatal(err)
	}
}

func produce(correlation int32) []byte  { return request(protocol.KeyProduce, 3, correlation, nil) }
func metadata(correlation int32) []byte { return request(protocol.KeyMetadata, 1, correlation, nil) }

// receive reads an answer, which must be to that request.
func (c *client) receive(correlation int32) (body []byte) {
	c.t.Helper()
	var head [8]byte
	if _, err := io.ReadFull(c.nc, head[:]); err != nil {
		c.t.Fatalf("answer to %d: %v", correlation, err)
	}
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != correlation {
		c.t.Fatalf("answer to %d came where that to %d was due", got, correlation)
	}
	body = make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c.nc, body); err != nil {
		c.t.Fatal(err)
	}
	return body
}

// closed reads to the end and wants nothing before it.
func (c *client) closed() {
	c.t.Helper()
	rest, err := io.ReadAll(c.nc)
	if len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("%d bytes, %v, where the connection should be closed", len(rest), err)
	}
}

func TestAnswersToPipelinedRequestsComeInTheirOrder(t *testing.T) {
	const n = 100
	all := make(chan *Exchange, n)
	_, l := listening(t, Options{Handler: &testHandler{handle: func(x *Exchange) error { all <- x; return nil }}})
	c := dial(t, l)
	for i := range int32(n) {
		c.send(produce(i))
	}
	xs := make([]*Exchange, n)
	for i := range xs {
		xs[i] = <-all
	}
	for i := n - 1; i >= 0; i-- {
		go xs[i].Finish(number(i))
	}
	for i := range int32(n) {
		c.receive(i)
	}
}

// A request that is not pipelined is not handled before the one ahead of it is
// answered, or its handler lets others pass.
func TestARequestThatIsNotPipelinedWaitsForTheAnswerBeforeIt(t *testing.T) {
	all := make(chan *Exchange, 4)
	_, l := listening(t, Options{Handler: &testHandler{handle: func(x *Exchange) error {
		if x.Header.CorrelationID == 2 {
			x.ReleaseSerial()
		}
		all <- x
		return nil
	}}})
	c := dial(t, l)
	c.send(metadata(1), metadata(2), metadata(3))
	first := <-all
	select {
	case x := <-all:
		t.Fatalf("request %d is handled while the first is not answered", x.Header.CorrelationID)
	case <-time.After(50 * time.Millisecond):
	}
	first.Finish(number(1))
	second, third := <-all, <-all
	third.Finish(number(3))
	second.Finish(number(2))
	for i := range int32(3) {
		c.receive(i + 1)
	}
}

func TestWhatIsNotServedIsRefusedOrClosed(t *testing.T) {
	var log logText
	var bad atomic.Int32
	h := &testHandler{refused: func(x *Exchange) error {
		if errors.Is(x.Refused, protocol.ErrUnsupportedVersion) {
			x.Finish(number(35))
			return nil
		}
		return x.Refused
	}}
	_, l := listening(t, Options{
		Handler: h, Logger: slog.New(slog.NewTextHandler(&log, nil)), Metrics: Metrics{BadRequest: func() { bad.Add(1) }},
	})
	c := dial(t, l)
	c.send(request(protocol.KeyMetadata, 99, 1, nil), request(999, 0, 2, nil))
	if body := c.receive(1); body[3] != 35 {
		t.Errorf("answered with %v", body)
	}
	c.closed()
	log.has(t, "unknown API key 999")
	if bad.Load() != 1 {
		t.Errorf("%d bad requests are counted", bad.Load())
	}
}

func TestAHandlerThatPanicsClosesItsConnectionAlone(t *testing.T) {
	var log logText
	var panics atomic.Int32
	h := &testHandler{handle: func(x *Exchange) error {
		if x.Header.CorrelationID == 13 {
			panic("planted")
		}
		x.Finish(number(0))
		return nil
	}}
	s, l := listening(t, Options{
		Handler: h, Logger: slog.New(slog.NewTextHandler(&log, nil)), Metrics: Metrics{Panicked: func() { panics.Add(1) }},
	})
	other, c := dial(t, l), dial(t, l)
	c.send(metadata(12), metadata(13))
	c.receive(12)
	c.closed()
	other.send(metadata(1))
	other.receive(1)
	log.has(t, "planted")
	if panics.Load() != 1 || s.frames.budget.Held() != 0 {
		t.Errorf("%d panics, %d bytes held", panics.Load(), s.frames.budget.Held())
	}
}

// What an exchange waits for is given up when its client leaves, and the handler
// hears of the end with what it has kept of the connection.
func TestTheHandlerHearsThatAClientHasLeft(t *testing.T) {
	ended, left := make(chan any, 2), make(chan struct{})
	h := &testHandler{
		handle: func(x *Exchange) error {
			x.Conn.State = "kept"
			x.OnDisconnect(func() { close(left); x.Finish(nil) })
			return nil
		},
		ended: func(c *Conn) { ended <- c.State },
	}
	s, l := listening(t, Options{Handler: h})
	c := dial(t, l)
	c.send(metadata(1))
	for s.Connections() == 0 {
		time.Sleep(time.Millisecond)
	}
	c.nc.Close()
	<-left
	if state := <-ended; state != "kept" {
		t.Errorf("it ended with the state %v", state)
	}
	for s.Connections() > 0 {
		time.Sleep(time.Millisecond)
	}
	if len(ended) != 0 {
		t.Error("it ended twice")
	}
}

func TestAHangUpSendsWhatIsOwedBeforeIt(t *testing.T) {
	_, l := listening(t, Options{Handler: &testHandler{handle: func(x *Exchange) error {
		if x.Header.CorrelationID == 2 {
			x.HangUp()
			return nil
		}
		x.Finish(number(0))
		return nil
	}}})
	c := dial(t, l)
	c.send(produce(1), produce(2))
	c.receive(1)
	c.closed()
}

func TestAnIdleConnectionIsClosedAndAHandlerMayShortenThat(t *testing.T) {
	_, l := listening(t, Options{IdleTimeout: time.Hour, Handler: &testHandler{handle: func(x *Exchange) error {
		x.Conn.LimitIdle(10 * time.Millisecond)
		x.Finish(number(0))
		return nil
	}}})
	c := dial(t, l)
	c.send(metadata(1))
	c.receive(1)
	c.closed()
}

func TestConnectionsAreTurnedAwayWhenThereAreTooMany(t *testing.T) {
	var turned, open atomic.Int32
	s, l := listening(t, Options{
		Handler: &testHandler{}, ConnectionsMax: func() int { return 1 },
		Metrics: Metrics{
			TurnedAway: func() { turned.Add(1) },
			Opened:     func(string) { open.Add(1) }, Closed: func(string) { open.Add(-1) },
		},
	})
	first := dial(t, l)
	first.send(metadata(1))
	first.receive(1)
	dial(t, l).closed()
	if turned.Load() != 1 || open.Load() != 1 {
		t.Errorf("%d are turned away, %d are open", turned.Load(), open.Load())
	}
	first.nc.Close()
	for s.Connections() > 0 {
		time.Sleep(time.Millisecond)
	}
	second := dial(t, l)
	second.send(metadata(1))
	second.receive(1)
}

// A large request reserves what decoding and answering it may take, and holds it
// until its answer is sent; a Produce reserves its bytes alone.
func TestALargeRequestReservesMemoryByItsAPI(t *testing.T) {
	const size = 3 << 20
	type seen struct {
		held int64
		max  int
	}
	var s *SocketServer
	told := make(chan seen, 2)
	s, l := listening(t, Options{Handler: &testHandler{handle: func(x *Exchange) error {
		told <- seen{x.frame.held, x.DecodeBytesMax()}
		x.Finish(number(0))
		return nil
	}}})
	c := dial(t, l)
	c.send(request(protocol.KeyProduce, 3, 1, make([]byte, size)))
	c.receive(1)
	plain := <-told
	c.send(request(protocol.KeyMetadata, 1, 2, make([]byte, size)))
	c.receive(2)
	other := <-told
	if plain.held > size+100 || plain.max != protocol.DecodeBytesMax {
		t.Errorf("Produce: %+v", plain)
	}
	if other.held < 8*size || other.max < 3*size {
		t.Errorf("Metadata: %+v", other)
	}
	for s.frames.budget.Held() > 0 { // settled behind the last byte
		time.Sleep(time.Millisecond)
	}
}

func TestAClientOfAnotherProtocolIsNamedInTheLog(t *testing.T) {
	var log logText
	_, l := listening(t, Options{
		Handler: &testHandler{}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		HTTPAddr: func() string { return "here:9644" },
	})
	for begins, want := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n": "http://here:9644", "\x16\x03\x01\x02\x00": "the client speaks TLS",
		"SSH-2.0-x": "the client speaks SSH", "PROXY TCP4 1.2.3.4": "the PROXY protocol",
	} {
		c := dial(t, l)
		c.send([]byte(begins))
		c.closed()
		log.has(t, want)
	}
}

// fileAnswer is an answer whose tail is a file.
type fileAnswer struct {
	t        *testing.T
	f        *os.File
	n        int
	released chan struct{}
}

func (a *fileAnswer) Encode(dst []byte, h protocol.Header) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, uint32(h.CorrelationID)), nil
}
func (a *fileAnswer) TailBytes() int { return a.n }
func (a *fileAnswer) Release()       { close(a.released) }
func (a *fileAnswer) WriteTail(c *Conn) error {
	if !c.SendsFiles() {
		a.t.Error("a TCP socket does not send files")
	}
	return c.SendFile(int(a.f.Fd()), 5, int64(a.n))
}

func TestAnAnswerMayEndInAFile(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789"), 1<<18) // more than a socket's buffer
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, append([]byte("-----"), want...), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a := &fileAnswer{t, f, len(want), make(chan struct{})}
	_, l := listening(t, Options{Handler: &testHandler{handle: func(x *Exchange) error { x.Finish(a); return nil }}})
	c := dial(t, l)
	c.send(metadata(1))
	if got := c.receive(1); !bytes.Equal(got, want) {
		t.Errorf("%d bytes came, not those of the file", len(got))
	}
	<-a.released
}

func TestAListenerAdvertisesWhatIsBoundUnlessToldOtherwise(t *testing.T) {
	for _, c := range []struct {
		host string
		port int32
		want string
	}{
		{"", 0, "A://127.0.0.1:"}, {"db.example", 0, "A://db.example:"},
		{"db.example", 19092, "A://db.example:19092"}, {"::1", 1, "A://[::1]:1"},
	} {
		l, err := Bind(ListenerConfig{Name: "A", Addr: "127.0.0.1:0", AdvertisedHost: c.host, AdvertisedPort: c.port})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Bound())
		want := c.want
		if c.port == 0 {
			want += port
		}
		if l.String() != want {
			t.Errorf("%s, want %s", l, want)
		}
	}
}

// BenchmarkOneRequest is a small request and its answer, one in flight.
func BenchmarkOneRequest(b *testing.B) {
	_, l := listening(b, Options{Handler: &testHandler{}})
	c := dial(b, l)
	c.nc.SetDeadline(time.Time{})
	frame := produce(1)
	var answer [12]byte
	b.ReportAllocs()
	for b.Loop() {
		c.nc.Write(frame)
		if _, err := io.ReadFull(c.nc, answer[:]); err != nil {
			b.Fatal(err)
		}
	}
}
