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
)

const (
	peerDialTimeout = time.Second
	fenceTimeout    = 2 * time.Second
)

// errNotRegistered: the broker is not among the live ones.
var errNotRegistered = errors.New("the broker is not registered")

// dial connects to a broker's inter-broker listener.
//
// One that refuses, was talked to in this very broker epoch and has not said that it
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
	switch m := (protocol.Member{ID: id, BrokerEpoch: b.Epoch}); {
	case err == nil:
		f.meet(m)
	case errors.Is(err, syscall.ECONNREFUSED) && !b.Leaving && f.mayFence(m):
		f.fence(ctx, m, addr)
	}
	return nc, err
}

// meet notes that a broker was talked to in this epoch.
func (f *followers) meet(m protocol.Member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.met[m.ID] = max(f.mu.met[m.ID], m.BrokerEpoch)
}

// mayFence reports, once, whether a broker was talked to in this epoch.
func (f *followers) mayFence(m protocol.Member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.met[m.ID] != m.BrokerEpoch {
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

// fence tells the cluster that a broker is dead.
func (f *followers) fence(ctx context.Context, m protocol.Member, addr string) {
	f.srv.log.Warn("broker refuses connections; its registration is taken back", "broker", m.ID, "broker_epoch", m.BrokerEpoch, "at", addr)
	ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	if err := f.srv.cluster.Fence(ctx, m.ID, m.BrokerEpoch); err != nil {
		f.srv.log.Warn("the dead broker's registration stays until its lease ends", "broker", m.ID, "broker_epoch", m.BrokerEpoch, "error", err)
		f.meet(m) // to try again
	}
}

// probe looks whether a broker whose connection ended is dead.
func (f *followers) probe(ctx context.Context, m protocol.Member) {
	if b, ok := f.srv.cluster.Image().Broker(m.ID); !ok || b.Epoch != m.BrokerEpoch {
		return
	}
	f.meet(m)
	if nc, err := f.dial(ctx, m.ID); err == nil {
		nc.Close()
	}
}
