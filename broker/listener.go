package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// boundListener is a listener that has its port.
type boundListener struct {
	Listener
	ln   net.Listener
	host string // advertised
	port int32
}

// String is name://advertised-host:port.
func (l *boundListener) String() string {
	return fmt.Sprintf("%s://%s", l.Name, net.JoinHostPort(l.host, fmt.Sprint(l.port)))
}

func bind(l Listener) (*boundListener, error) {
	ln, err := net.Listen("tcp", l.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (listener %q): %w", l.Addr, l.Name, err)
	}
	host, port, err := l.advertised(ln.Addr())
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("listener %q: %w", l.Name, err)
	}
	return &boundListener{Listener: l, ln: ln, host: host, port: port}, nil
}

const acceptRetry = 50 * time.Millisecond // after running out of file descriptors

// accept serves the listener's connections until ctx ends, and waits for them.
func (s *Server) accept(ctx context.Context, l *boundListener) error {
	stop := context.AfterFunc(ctx, func() { l.ln.Close() })
	defer stop()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		nc, err := l.ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				nc.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			s.descriptors.unaccepted.Do(func() {
				s.log.Warn("cannot take a connection", "listener", l.Name, "error", err)
			})
			time.Sleep(acceptRetry)
			continue
		}
		if !s.admit() {
			nc.Close()
			continue
		}
		conns.Go(func() {
			defer s.connections.Add(-1)
			gauge := s.metrics.connections.WithLabelValues(l.Name)
			gauge.Inc()
			defer gauge.Dec()
			newConn(ctx, s, l, nc).serve()
		})
	}
}
