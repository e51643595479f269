package transport

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// input is the reading half of a connection. It holds a buffer only while there
// is something in it: the buffer is taken when the socket has become readable,
// and given back when it is empty. Ten thousand idle connections hold none.
//
// A bufio.Reader was used first; it cannot give its buffer away while it waits.
type input struct {
	nc   net.Conn
	raw  syscall.RawConn // nil: not a socket of the kernel's; read through nc
	ends syscall.RawConn // the socket below TLS, to see its end by; nil: there is none
	buf  *[readBuffer]byte
	r, w int // buf[r:w] is not consumed yet; 0 <= r <= w <= readBuffer

	attempt func(fd uintptr) bool // fillOnce, made once
	failed  error                 // attempt's
}

var readBuffers = sync.Pool{New: func() any { return new([readBuffer]byte) }}

func newInput(nc net.Conn) *input {
	in := &input{nc: nc}
	if sc, ok := nc.(syscall.Conn); ok {
		in.raw, _ = sc.SyscallConn()
	}
	if below, ok := nc.(interface{ NetConn() net.Conn }); ok {
		if sc, ok := below.NetConn().(syscall.Conn); ok {
			in.ends, _ = sc.SyscallConn()
		}
	}
	in.attempt = in.fillOnce
	return in
}

// buffered is how much may be read without waiting.
func (in *input) buffered() int { return in.w - in.r }

// awaitByte waits until there is something to read.
func (in *input) awaitByte() error {
	if in.buffered() > 0 {
		return nil
	}
	return in.fill()
}

// fill waits for bytes and takes as many as fit. The buffer is empty before.
func (in *input) fill() error {
	if in.raw == nil {
		in.holdBuffer()
		n, err := in.nc.Read(in.buf[:])
		if in.w = n; n > 0 {
			return nil
		}
		in.drop()
		return err
	}
	in.failed = nil
	if err := in.raw.Read(in.attempt); err != nil {
		return err
	}
	return in.failed
}

// fillOnce reads what is there. It reports false when there is nothing yet, and
// then holds no buffer.
func (in *input) fillOnce(fd uintptr) bool {
	in.holdBuffer()
	n, err := readAgain(int(fd), in.buf[:])
	if n > 0 {
		in.w = n
		return true
	}
	in.drop()
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false
	case err != nil:
		in.failed = err
	default:
		in.failed = io.EOF
	}
	return true
}

func readAgain(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

func (in *input) holdBuffer() {
	if in.buf == nil {
		in.buf = readBuffers.Get().(*[readBuffer]byte)
	}
}

// drop gives the empty buffer back.
func (in *input) drop() {
	if in.buf != nil {
		readBuffers.Put(in.buf)
		in.buf, in.r, in.w = nil, 0, 0
	}
}

// Read takes from the buffer first; what is left to read when it is empty goes
// straight to b, if b is the larger.
func (in *input) Read(b []byte) (int, error) {
	if in.buffered() == 0 {
		if len(b) >= readBuffer {
			return in.nc.Read(b)
		}
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, in.buf[in.r:in.w])
	if in.r += n; in.r == in.w {
		in.drop()
	}
	return n, nil
}

// abandoned reports whether the client has ended the stream. It does not wait,
// and takes nothing from the socket. Bytes that are there hide the end.
func (in *input) abandoned() bool {
	if in.ends != nil {
		return in.hungUp()
	}
	if in.raw == nil || in.buffered() > 0 {
		return false
	}
	gone := false
	err := in.raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = n == 0 && err == nil || err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
	})
	return gone || err != nil
}

// hungUp is abandoned for TLS, whose last record stands before the end of the stream
// and would hide it: the kernel is asked whether the other side sends no more.
func (in *input) hungUp() bool {
	gone := false
	err := in.ends.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(p, 0)
		gone = err == nil && n > 0 && p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone || err != nil
}
