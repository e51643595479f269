package load

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	clientID    = "bench"
	answerMax   = 64 << 20
	timeoutMs   = 30_000
	bufferBytes = 128 << 10
)

// wire is one connection, owned by one sender and one reader.
type wire struct {
	net.Conn
	in   *bufio.Reader
	stop func() bool
}

// dial connects; the end of ctx closes the connection, which ends what waits on it.
func dial(ctx context.Context, addr string) (*wire, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: c, in: bufio.NewReaderSize(c, bufferBytes)}
	w.stop = context.AfterFunc(ctx, func() { c.Close() })
	return w, nil
}

func (w *wire) close() {
	w.stop()
	w.Conn.Close()
}

// frame returns the next answer without its length. It is valid until the next call.
func (w *wire) frame() ([]byte, error) {
	size, err := w.in.Peek(4)
	if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(size))
	if n < 4 || n+4 > bufferBytes {
		return nil, fmt.Errorf("load: an answer of %d bytes", n)
	}
	b, err := w.in.Peek(4 + n)
	if err != nil {
		return nil, err
	}
	_, err = w.in.Discard(4 + n)
	return b[4:], err
}

// frames reports whether another whole answer is already here.
func (w *wire) frames() bool {
	if w.in.Buffered() < 4 {
		return false
	}
	size, _ := w.in.Peek(4)
	return w.in.Buffered()-4 >= int(binary.BigEndian.Uint32(size))
}

// appendRequest frames a request with tag-free header; the length and the
// correlation id are the reader's to set.
func appendRequest(dst []byte, r kmsg.Request) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = kbin.AppendInt16(dst, r.Key())
	dst = kbin.AppendInt16(dst, r.GetVersion())
	dst = kbin.AppendInt32(dst, 0)
	dst = kbin.AppendNullableString(dst, kmsg.StringPtr(clientID))
	return r.AppendTo(dst)
}

const correlationAt = 8 // in a framed request

// Refused is a server's error code in answer to a request.
type Refused struct {
	Code    int16
	Message string
}

func (e *Refused) Error() string {
	text := "refused: unknown code"
	if known := kerr.TypedErrorForCode(e.Code); known != nil {
		text = "refused: " + known.Message
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Unwrap lets errors.Is find the kerr error of the code.
func (e *Refused) Unwrap() error { return kerr.ErrorForCode(e.Code) }

var errAnswer = errors.New("load: the answer does not belong to the request")
