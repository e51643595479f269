package transport

import (
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// SendsFiles reports whether SendFile may be called: the connection is a socket
// of the kernel's, whose bytes need not pass through this process.
func (c *Conn) SendsFiles() bool {
	_, ok := c.nc.(*net.TCPConn)
	return ok
}

// SendFile sends n bytes of a file from pos on. The bytes go from the file to the
// socket without a copy, by sendfile(2) with the connection's own readiness. It
// is for Streamed.WriteTail.
func (c *Conn) SendFile(fd int, pos, n int64) error {
	raw, err := c.nc.(*net.TCPConn).SyscallConn()
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
