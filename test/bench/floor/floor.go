package floor

import (
	"errors"
	"net"
	"path/filepath"
	"sync"
)

// Stages says how far a produce request goes. Each stage needs those before it.
type Stages struct {
	CRC   bool // the batch's CRC-32C is checked, a wrong one refused
	Write bool // the batch is written to the file
	Fsync bool // the answer waits for an fdatasync shared by all that wait
}

// Server answers Kafka clients on one listener out of one log. Serve and Close
// may be called from different goroutines, each once.
type Server struct {
	ln  net.Listener
	log *log

	mu struct {
		sync.Mutex
		conns map[*conn]struct{}
	}
	conns sync.WaitGroup
}

// New opens an empty log in dir, which must exist. The server owns ln from now on.
func New(ln net.Listener, dir string, stages Stages) (*Server, error) {
	if stages.Fsync && !stages.Write {
		return nil, errors.New("floor: a sync without a write measures nothing")
	}
	l, err := openLog(filepath.Join(dir, "floor.log"), stages)
	if err != nil {
		return nil, err
	}
	s := &Server{ln: ln, log: l}
	s.mu.conns = make(map[*conn]struct{})
	return s, nil
}

// Addr is the address that clients dial.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Serve answers until Close, and returns when every goroutine of the server has ended.
func (s *Server) Serve() error {
	var stages sync.WaitGroup
	stages.Go(s.log.commitLoop)
	stages.Go(s.log.answerLoop)
	err := s.accept()
	close(s.log.stopped)
	s.closeConns()
	s.conns.Wait()
	close(s.log.queue)
	stages.Wait()
	return errors.Join(err, s.log.file.Close())
}

// Close ends Serve.
func (s *Server) Close() error { return s.ln.Close() }

func (s *Server) accept() error {
	for {
		nc, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		c := newConn(s, nc.(*net.TCPConn))
		s.mu.Lock()
		s.mu.conns[c] = struct{}{}
		s.mu.Unlock()
		s.conns.Go(func() {
			c.serve()
			s.mu.Lock()
			delete(s.mu.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *Server) closeConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.mu.conns {
		c.tcp.Close()
	}
}
