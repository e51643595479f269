package broker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockstep-log/lockstep/segment"
)

// sendRange sends a piece of a log. Bytes that this process wrote or has
// checked go from the file to the socket without a copy; others are read, their
// checksums compared, and sent.
func sendRange(w io.Writer, r segment.Range) error {
	if d, ok := w.(deadlined); ok {
		if fd, pos, n, verified := r.File(); verified && fd != ^uintptr(0) {
			if tcp, ok := d.nc.(*net.TCPConn); ok {
				return sendFile(tcp, int(fd), pos, n)
			}
		}
	}
	buf := pieceBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= 2*fetchPiece {
			pieceBuffers.Put(buf)
		}
	}()
	b, err := r.AppendTo((*buf)[:0])
	if err != nil {
		return err
	}
	*buf = b[:0]
	_, err = w.Write(b)
	return err
}

// sendFile is sendfile(2) with the connection's own readiness.
func sendFile(tcp *net.TCPConn, fd int, pos, n int64) error {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	for n > 0 && failed == nil {
		tcp.SetWriteDeadline(time.Now().Add(frameTimeout))
		err := raw.Write(func(socket uintptr) bool {
			for n > 0 {
				sent, err := unix.Sendfile(int(socket), fd, &pos, int(n))
				switch {
				case errors.Is(err, unix.EINTR):
				case errors.Is(err, unix.EAGAIN):
					return false
				case err != nil:
					failed = fmt.Errorf("sendfile: %w", err)
					return true
				case sent == 0:
					failed = fmt.Errorf("sendfile: %w", io.ErrUnexpectedEOF)
					return true
				default:
					n -= int64(sent)
				}
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	return failed
}

func isCorrupt(err error) bool {
	var ce *segment.CorruptError
	return errors.As(err, &ce)
}
