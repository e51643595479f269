package transport

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	acceptRetry    = 50 * time.Millisecond // after running out of file descriptors
	shortageLogged = time.Minute           // how often the log speaks of the same shortage at most
)

// SocketServer serves connections. One of it has all listeners of a broker, since
// they share memory and the number of connections.
type SocketServer struct {
	o           Options
	frames      *frames
	connections atomic.Int64
	unproven    atomic.Int64 // connections that have to prove something first

	turnedAway, unaccepted, crowded rate.Sometimes // bound the lines in the log
}

// New is a SocketServer that listens nowhere yet.
func New(o Options) *SocketServer {
	o = o.withDefaults()
	return &SocketServer{
		o: o, frames: newFrames(o.MemoryBytesMax),
		turnedAway: rate.Sometimes{First: 1, Interval: shortageLogged},
		unaccepted: rate.Sometimes{First: 1, Interval: shortageLogged},
		crowded:    rate.Sometimes{First: 1, Interval: shortageLogged},
	}
}

// Connections is how many there are.
func (s *SocketServer) Connections() int64 { return s.connections.Load() }

// Serve serves the listener's connections until ctx ends, and waits for them. It
// closes the listener.
func (s *SocketServer) Serve(ctx context.Context, l *Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
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
			s.unaccepted.Do(func() {
				s.o.Logger.Warn("cannot take a connection", "listener", l.Name, "error", err)
			})
			time.Sleep(acceptRetry)
			continue
		}
		if !s.admit(l) {
			nc.Close()
			continue
		}
		conns.Go(func() {
			defer s.connections.Add(-1)
			s.o.Metrics.Opened(l.Name)
			defer s.o.Metrics.Closed(l.Name)
			s.NewConn(ctx, l, nc).serve()
		})
	}
}

// admit counts a connection, or turns it away.
func (s *SocketServer) admit(l *Listener) bool {
	most := s.o.ConnectionsMax()
	if s.connections.Add(1) <= int64(most) {
		return !l.distrusts() || s.admitUnproven(l)
	}
	s.connections.Add(-1)
	s.o.Metrics.TurnedAway()
	s.turnedAway.Do(func() {
		s.o.Logger.Warn("clients are turned away: there are too many connections", "connections", most,
			"open files allowed", s.o.FilesMax)
	})
	return false
}

// admitUnproven counts one that has to prove something first, or turns it away: who
// proves nothing must not take the places of those who would.
func (s *SocketServer) admitUnproven(l *Listener) bool {
	if s.unproven.Add(1) <= int64(s.o.UnprovenConnsMax) {
		return true
	}
	s.unproven.Add(-1)
	s.connections.Add(-1)
	s.o.Metrics.TurnedAway()
	s.crowded.Do(func() {
		s.o.Logger.Warn("clients are turned away: too many connections have not authenticated", "listener", l.Name,
			"connections", s.o.UnprovenConnsMax)
	})
	return false
}
