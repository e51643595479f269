package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

const (
	peerDialTimeout = time.Second
	buryTimeout     = 2 * time.Second
)

// errNotRegistered: the broker is not among the live ones.
var errNotRegistered = errors.New("the broker is not registered")

// dial connects to a broker's inter-broker listener.
//
// One that refuses, was talked to in this very life and has not said that it
// leaves is dead: the listener is there before the broker registers, and until
// its process ends. One that was never reached may be behind a door that is closed to this broker
// alone; taking its registration back would go on for as long as the door is closed.
func (f *followers) dial(ctx context.Context, id protocol.BrokerID) (net.Conn, error) {
	b, ok := f.srv.cluster.Image().Broker(id)
	if !ok {
		return nil, errNotRegistered
	}
	addr, err := f.srv.peerAddr(&b)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: peerDialTimeout}
	nc, err := d.DialContext(ctx, "tcp", addr)
	switch life := (replica.Member{ID: id, Incarnation: b.Incarnation}); {
	case err == nil:
		f.meet(life)
	case errors.Is(err, syscall.ECONNREFUSED) && !b.Leaving && f.mayBury(life):
		f.bury(ctx, life, addr)
	}
	return nc, err
}

// meet notes that a life of a broker was talked to.
func (f *followers) meet(m replica.Member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.met[m.ID] = max(f.mu.met[m.ID], m.Incarnation)
}

// mayBury reports, once, whether a life of a broker was talked to.
func (f *followers) mayBury(m replica.Member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.met[m.ID] != m.Incarnation {
		return false
	}
	delete(f.mu.met, m.ID)
	return true
}

// peerAddr is where other brokers reach a broker.
func (s *Server) peerAddr(b *coordinator.Broker) (string, error) {
	for _, e := range b.Endpoints {
		if e.Name == s.cfg.InterBroker {
			return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))), nil
		}
	}
	return "", fmt.Errorf("broker %d has no listener %q, by which brokers reach each other", b.ID, s.cfg.InterBroker)
}

// bury tells the cluster that a life of a broker is over.
func (f *followers) bury(ctx context.Context, m replica.Member, addr string) {
	f.srv.log.Warn("broker refuses connections; its registration is taken back", "broker", m.ID, "incarnation", m.Incarnation, "at", addr)
	ctx, cancel := context.WithTimeout(ctx, buryTimeout)
	defer cancel()
	if err := f.srv.cluster.Bury(ctx, m.ID, m.Incarnation); err != nil {
		f.srv.log.Warn("the dead broker's registration stays until its lease ends", "broker", m.ID, "incarnation", m.Incarnation, "error", err)
		f.meet(m) // to try again
	}
}

// probe looks whether a broker whose connection ended is dead.
func (f *followers) probe(ctx context.Context, m replica.Member) {
	if b, ok := f.srv.cluster.Image().Broker(m.ID); !ok || b.Incarnation != m.Incarnation {
		return
	}
	f.meet(m)
	if nc, err := f.dial(ctx, m.ID); err == nil {
		nc.Close()
	}
}
