package transport

import (
	"io"
	"net"
	"testing"
	"time"
)

// startDistrusting is a server whose only listener wants a proof.
func startDistrusting(t *testing.T, h *testHandler, o Options) (addr string, s *SocketServer) {
	t.Helper()
	o.Handler = h
	s = New(o)
	l, err := Bind(ListenerConfig{Name: "sasl", Addr: "127.0.0.1:0", Authenticates: true})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(t.Context(), l) }()
	t.Cleanup(func() { <-done })
	return l.Bound(), s
}

func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(testTimeout))
	return nc
}

// closes waits until the server closes a connection.
func closes(t *testing.T, what string, nc net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, nc); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Errorf("%s: the connection stays", what)
		}
	}
}

// TestWhoProvesNothingHasLittleTime, however he spends it: in silence, or a byte at a
// time, or with requests.
func TestWhoProvesNothingHasLittleTime(t *testing.T) {
	addr, s := startDistrusting(t, &testHandler{}, Options{ProofTimeout: 300 * time.Millisecond})
	began := time.Now()
	silent, slow := connect(t, addr), connect(t, addr)
	go func() {
		slow.Write([]byte{0, 0, 0, 100})
		for {
			if _, err := slow.Write([]byte{0}); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	closes(t, "silent", silent)
	closes(t, "slow", slow)
	if took := time.Since(began); took < 250*time.Millisecond || took > testTimeout/2 {
		t.Errorf("closed after %v", took)
	}
	for began := time.Now(); s.unproven.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > testTimeout {
			t.Fatalf("%d are still counted", s.unproven.Load())
		}
	}
}

// TestWhoProvesNothingIsBoundInNumberAndFrames, and who has proven who he is is not.
func TestWhoProvesNothingIsBoundInNumberAndFrames(t *testing.T) {
	h := &testHandler{handle: func(x *Exchange) error {
		x.Conn.Trust()
		x.Finish(number(0))
		return nil
	}}
	addr, s := startDistrusting(t, h, Options{UnprovenConnsMax: 2, UnprovenBytesMax: 1000, RequestBytesMax: 100_000})
	large := connect(t, addr)
	large.Write([]byte{0, 0, 4, 0})
	closes(t, "a large frame", large)
	for began := time.Now(); s.unproven.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > testTimeout {
			t.Fatal("the first is still counted")
		}
	}
	one, _ := connect(t, addr), connect(t, addr)
	for began := time.Now(); s.unproven.Load() != 2; time.Sleep(time.Millisecond) {
		if time.Since(began) > testTimeout {
			t.Fatal("they are not counted")
		}
	}
	closes(t, "a third", connect(t, addr))

	heartbeat := []byte{0, 12, 0, 0, 0, 0, 0, 1, 255, 255}
	ask := func(size int) {
		t.Helper()
		frame := append([]byte{0, 0, byte(size >> 8), byte(size)}, heartbeat...)
		one.Write(append(frame, make([]byte, size-len(heartbeat))...))
		if _, err := io.ReadFull(one, make([]byte, 12)); err != nil {
			t.Fatalf("a frame of %d: %v", size, err)
		}
	}
	ask(100)
	ask(5000) // as it is proven now
	connect(t, addr)
	for began := time.Now(); s.unproven.Load() != 2; time.Sleep(time.Millisecond) {
		if time.Since(began) > testTimeout {
			t.Fatal("its place was not given to another")
		}
	}
}
