package broker

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/lockstep-log/lockstep/segment"
)

// sendRange sends a piece of a log. The bytes go from the file to the socket
// without a copy; those that this process neither wrote nor checked before are
// checked first. No client that is slow to read holds memory of its answer.
func sendRange(c *conn, r segment.Range) error {
	fd, pos, n, verified := r.File()
	tcp, ok := c.nc.(*net.TCPConn)
	if !ok || fd == vfs.InvalidFd {
		return copyRange(c, r)
	}
	if !verified {
		if err := r.Verify(); err != nil {
			return err
		}
	}
	return c.sendFile(tcp, int(fd), pos, n)
}

// copyRange is for what has no descriptor to send from or to.
func copyRange(c *conn, r segment.Range) error {
	b, err := r.AppendTo(nil)
	if err != nil {
		return err
	}
	_, err = c.Write(b)
	return err
}

// sendFile is sendfile(2) with the connection's own readiness.
func (c *conn) sendFile(tcp *net.TCPConn, fd int, pos, n int64) error {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	c.beginWrite()
	var failed error
	err = raw.Write(func(socket uintptr) (done bool) {
		n, done, failed = sendSome(int(socket), fd, &pos, n)
		return done
	})
	if err != nil {
		return notTaken(err)
	}
	return failed
}

// sendSome sends what the socket takes. It reports what is left, and whether to
// stop rather than to wait for the socket.
func sendSome(socket, fd int, pos *int64, n int64) (left int64, done bool, err error) {
	for n > 0 {
		sent, err := unix.Sendfile(socket, fd, pos, int(n))
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return n, false, nil
		case err != nil:
			return n, true, fmt.Errorf("sendfile: %w", err)
		case sent == 0:
			return n, true, fmt.Errorf("sendfile: %w", io.ErrUnexpectedEOF)
		default:
			n -= int64(sent)
		}
	}
	return 0, true, nil
}

func isCorrupt(err error) bool {
	var ce *segment.CorruptError
	return errors.As(err, &ce)
}
