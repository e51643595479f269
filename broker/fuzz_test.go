package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// FuzzConnection sends a connection arbitrary bytes and closes its half. Goal:
// whatever they are, the connection is answered or closed, and ends; nothing
// panics. Method: a broker for all inputs, which is asked something good after
// each of them.
func FuzzConnection(f *testing.F) {
	for _, api := range protocol.APIs() {
		for _, version := range []int16{api.ServeMin, api.Max} {
			req := kmsg.RequestForKey(api.Key)
			req.SetVersion(version)
			f.Add(kmsg.NewRequestFormatter(kmsg.FormatterClientID("fuzz")).AppendRequest(nil, req, 1))
		}
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 16, 0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0, 1, 1, 2, 9, 0})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	server := startFuzzed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if lasting(b) {
			t.Skip("it creates or waits, as it is told to")
		}
		nc, err := net.Dial("tcp", server.Addr(""))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(wireTimeout))
		nc.Write(b)
		nc.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("neither answered nor closed")
		}
		w := &wire{t: t, nc: mustDial(t, server)}
		defer w.nc.Close()
		ask[*kmsg.ApiVersionsResponse](w, 0, kmsg.NewPtrApiVersionsRequest())
	})
}

// lasting reports whether the first frame is a request whose good form changes
// the broker for the inputs behind it.
func lasting(b []byte) bool {
	if len(b) < 6 {
		return false
	}
	switch int16(binary.BigEndian.Uint16(b[4:])) {
	case protocol.KeyCreateTopics, protocol.KeyCreatePartitions:
		return true
	}
	return false
}

func mustDial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addr(""))
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

// startFuzzed runs a broker that creates nothing because it was named.
func startFuzzed(f *testing.F) *Server {
	s, err := New(Config{
		NodeID: 1, DataDir: f.TempDir(), Listeners: []Listener{{Name: "PLAINTEXT", Addr: "127.0.0.1:0"}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	f.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			f.Errorf("Run: %v", err)
		}
	})
	select {
	case <-s.Ready():
	case err := <-ran:
		ran <- nil
		f.Fatalf("Run ended before it was ready: %v", err)
	}
	return s
}
