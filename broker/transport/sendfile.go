package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// SendsFiles reports whether SendFile may be called: the connection is a socket
// of the kernel's, or TLS.
func (c *Conn) SendsFiles() bool {
	switch c.nc.(type) {
	case *net.TCPConn, *tls.Conn:
		return true
	}
	return false
}

// SendFile sends n bytes of a file from pos on. The bytes go from the file to the
// socket without a copy, by sendfile(2) with the connection's own readiness; where
// they have to be encrypted first they go through a small buffer. It is for
// Streamed.WriteTail.
func (c *Conn) SendFile(fd int, pos, n int64) error {
	socket, ok := c.nc.(*net.TCPConn)
	if !ok {
		return c.copyFile(fd, pos, n)
	}
	raw, err := socket.SyscallConn()
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

// copyBuffers hold what is read of a file to be encrypted: four of TLS's largest records.
var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// copyFile is SendFile through this process.
func (c *Conn) copyFile(fd int, pos, n int64) error {
	buf := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buf)
	for n > 0 {
		got, err := unix.Pread(fd, buf[:min(n, int64(len(buf)))], pos)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read records: %w", err)
		case got == 0:
			return fmt.Errorf("read records: %w", io.ErrUnexpectedEOF)
		}
		if _, err := c.Write(buf[:got]); err != nil {
			return err
		}
		pos, n = pos+int64(got), n-int64(got)
	}
	return nil
}
