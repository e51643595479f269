package attack

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// socket is an attacker's connection.
type socket struct {
	t  testing.TB
	v  *victim
	nc *net.TCPConn
}

func (v *victim) dial() *socket {
	v.t.Helper()
	s, err := v.tryDial()
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { s.nc.Close() })
	return s
}

func (v *victim) tryDial() (*socket, error) {
	nc, err := net.Dial("tcp", v.addr)
	if err != nil {
		return nil, err
	}
	return &socket{v.t, v, nc.(*net.TCPConn)}, nil
}

// send sends bytes as they are. The broker may have closed already.
func (s *socket) send(b []byte) {
	s.nc.SetWriteDeadline(time.Now().Add(giveUp))
	s.nc.Write(b)
}

// answer reads one frame; nil is a closed connection.
func (s *socket) answer() []byte {
	s.t.Helper()
	s.nc.SetReadDeadline(time.Now().Add(giveUp))
	var prefix [4]byte
	if _, err := io.ReadFull(s.nc, prefix[:]); err != nil {
		s.checkClosed(err)
		return nil
	}
	b := make([]byte, binary.BigEndian.Uint32(prefix[:]))
	if _, err := io.ReadFull(s.nc, b); err != nil {
		s.t.Fatalf("cut answer: %v", err)
	}
	return b
}

func (s *socket) checkClosed(err error) {
	s.t.Helper()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.t.Fatalf("neither answered nor closed:\n%s", s.v.log.tail())
	}
}

// refused expects the connection to be closed without an answer, and one line
// in the log about it that holds why.
func (s *socket) refused(why string) {
	s.t.Helper()
	if b := s.answer(); b != nil {
		s.t.Fatalf("answered with %x", b[:min(len(b), 64)])
	}
	s.saidOnce(why)
}

// saidOnce expects one line about this connection.
func (s *socket) saidOnce(why string) {
	s.t.Helper()
	from := "from=" + s.nc.LocalAddr().String() + " "
	eventually(s.t, "a line about "+from, func() bool { return s.v.log.count(from) > 0 })
	if n, m := s.v.log.count(from), s.v.log.count(from, why); n != 1 || m != 1 {
		s.t.Errorf("%d lines about the connection %s, %d of them with %q", n, from, m, why)
	}
}

// framed is b behind its length.
func framed(b []byte) []byte { return append(claimed(int32(len(b))), b...) }

// claimed is a length alone.
func claimed(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// request is a whole frame.
func request(req kmsg.Request, version int16) []byte {
	req.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("attacker")).AppendRequest(nil, req, 7)
}

// rawRequest is a whole frame around a body of our making.
func rawRequest(key, version int16, flexible bool, body []byte) []byte {
	return framed(append(rawHeader(key, version, flexible), body...))
}

func rawHeader(key, version int16, flexible bool) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = append(b, 0, 0, 0, 7, 0, 8)
	b = append(b, "attacker"...)
	if flexible {
		b = append(b, 0)
	}
	return b
}

// ask sends a request and decodes its answer, which there must be.
func ask[R kmsg.Response](s *socket, req kmsg.Request, version int16) R {
	s.t.Helper()
	s.send(request(req, version))
	return answerTo[R](s, req)
}

func answerTo[R kmsg.Response](s *socket, req kmsg.Request) R {
	s.t.Helper()
	b := s.answer()
	if b == nil {
		s.t.Fatalf("closed instead of an answer:\n%s", s.v.log.tail())
	}
	b = b[4:]
	if req.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) {
		b = b[1:]
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(b); err != nil {
		s.t.Fatalf("decode: %v", err)
	}
	return resp.(R)
}

// alive asks something small: the broker serves this connection.
func (s *socket) alive() {
	s.t.Helper()
	if resp := ask[*kmsg.ApiVersionsResponse](s, kmsg.NewPtrApiVersionsRequest(), 0); resp.ErrorCode != 0 {
		s.t.Fatalf("ApiVersions: code %d", resp.ErrorCode)
	}
}
