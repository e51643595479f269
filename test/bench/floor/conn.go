package floor

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
)

const (
	readBuffer = 64 << 10
	frameMax   = 64 << 20
)

// conn is one client. Its reader goroutine owns all of it, but for the time
// between a produce handed to the commit loop and inFlight going down: then
// the answer loop owns out.
type conn struct {
	log      *log
	tcp      *net.TCPConn
	in       *bufio.Reader
	out      []byte
	inFlight sync.WaitGroup
	file     *os.File // for sendfile, which moves the file's position; nil until the first fetch
}

func newConn(s *Server, tcp *net.TCPConn) *conn {
	return &conn{log: s.log, tcp: tcp, in: bufio.NewReaderSize(tcp, readBuffer)}
}

func (c *conn) serve() {
	for c.next() == nil {
	}
	c.tcp.Close()
	c.inFlight.Wait()
	if c.file != nil {
		c.file.Close()
	}
}

func (c *conn) next() error {
	r, err := c.read()
	if err != nil {
		return err
	}
	if r.key == keyProduce {
		return c.produce(r)
	}
	defer r.release()
	c.inFlight.Wait() // answers leave in order
	if err := c.flush(); err != nil {
		return err
	}
	if r.key == keyFetch {
		return c.fetch(r)
	}
	if c.out, err = r.appendOther(c.out, c.tcp.LocalAddr()); err != nil {
		return err
	}
	return c.flush()
}

func (c *conn) read() (*request, error) {
	var size [4]byte
	if _, err := io.ReadFull(c.in, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > frameMax {
		return nil, errUnserved
	}
	r := requests.Get().(*request)
	if uint32(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	r.buf = r.buf[:n]
	if _, err := io.ReadFull(c.in, r.buf); err != nil {
		return nil, err
	}
	return r, r.header()
}

func (c *conn) produce(r *request) error {
	if err := r.produce(c.log.stages.CRC); err != nil {
		return err
	}
	r.conn = c
	if c.log.stages.Fsync {
		c.inFlight.Add(1)
		c.log.queue <- r
		return nil
	}
	c.log.append(r)
	c.out = r.appendAnswer(c.out)
	r.release()
	if c.another() {
		return nil
	}
	return c.flush()
}

// another reports whether a whole request is already here: its answer can
// share a write with this one's.
func (c *conn) another() bool {
	n := c.in.Buffered()
	if n < 4 {
		return false
	}
	size, _ := c.in.Peek(4)
	return uint32(n-4) >= binary.BigEndian.Uint32(size)
}

func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.tcp.Write(c.out)
	c.out = c.out[:0]
	return err
}
