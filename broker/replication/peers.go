package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
)

const (
	dialTimeout = time.Second
	// secureTimeout is for the TLS handshake and SASL: some round trips, and a few
	// milliseconds of arithmetic on a machine that may be busy.
	secureTimeout = 3 * time.Second
	fenceTimeout  = 2 * time.Second
	// probesMax bounds the probes that wait to be started.
	probesMax = 64
)

// PeersOptions say how this broker reaches the others. All fields but Secure are needed.
type PeersOptions struct {
	NodeID      protocol.BrokerID
	InterBroker string // the name of the listener by which brokers reach each other
	Cluster     *coordinator.Cluster
	Logger      *slog.Logger
	// Secure makes of a new connection to that host what is spoken on the inter-broker
	// listener; nil: plain text.
	Secure func(ctx context.Context, nc net.Conn, host string) (net.Conn, error)
}

// Peers connects to other brokers, and has those fenced whose process is found to
// be dead. Its methods may be called from any goroutine; Run starts the probes and
// waits for them.
type Peers struct {
	o       PeersOptions
	log     *slog.Logger
	changed notify.Signal // a broker is to be probed

	mu struct {
		sync.Mutex
		probes []protocol.Member // whose connection to this broker ended
		// reached is the newest epoch of each that was reached, and is not known to be over.
		reached map[protocol.BrokerID]protocol.BrokerEpoch
		running bool
	}
}

// NewPeers returns Peers that have reached nobody yet.
func NewPeers(o PeersOptions) *Peers {
	p := &Peers{o: o, log: o.Logger, changed: notify.New()}
	p.mu.reached = map[protocol.BrokerID]protocol.BrokerEpoch{}
	return p
}

// ClientID is the client id of this broker's requests to others.
func (p *Peers) ClientID() string { return fmt.Sprintf("lockstep-broker-%d", p.o.NodeID) }

// Run probes brokers whose connections have ended, until ctx ends.
func (p *Peers) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	p.mu.Lock()
	p.mu.running = true
	p.mu.Unlock()
	for {
		p.mu.Lock()
		probes := p.mu.probes
		p.mu.probes = nil
		p.mu.Unlock()
		for _, m := range probes {
			all.Go(func() { p.probe(ctx, m) })
		}
		select {
		case <-ctx.Done():
			p.mu.Lock()
			p.mu.running = false
			p.mu.Unlock()
			return nil
		case <-p.changed:
		}
	}
}

// ConnectionEnded has a broker probed whose connection to this one has ended: if it
// is dead, the cluster should know before its lease runs out.
func (p *Peers) ConnectionEnded(m protocol.Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.running || len(p.mu.probes) >= probesMax {
		return
	}
	p.mu.probes = append(p.mu.probes, m)
	p.changed.Notify()
}

// probe looks whether a broker whose connection ended is dead.
func (p *Peers) probe(ctx context.Context, m protocol.Member) {
	if b, ok := p.o.Cluster.Image().Broker(m.ID); !ok || b.Epoch != m.BrokerEpoch {
		return
	}
	p.noteReached(m)
	if nc, err := p.Dial(ctx, m.ID); err == nil {
		nc.Close()
	}
}

// errNotRegistered: the broker is not among the live ones.
var errNotRegistered = errors.New("the broker is not registered")

// Dial connects to a broker's inter-broker listener.
//
// One that refuses, was reached in this very broker epoch and has not said that it
// leaves is dead: the listener is there before the broker registers, and until its
// process ends. One that was never reached may be behind a firewall that is closed
// to this broker alone; fencing it would go on for as long as that is so.
func (p *Peers) Dial(ctx context.Context, id protocol.BrokerID) (net.Conn, error) {
	b, ok := p.o.Cluster.Image().Broker(id)
	if !ok {
		return nil, errNotRegistered
	}
	addr, err := p.addr(&b)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: dialTimeout}
	nc, err := d.DialContext(ctx, "tcp", addr)
	switch m := (protocol.Member{ID: id, BrokerEpoch: b.Epoch}); {
	case err == nil:
		p.noteReached(m)
		return p.secure(ctx, nc, addr)
	case errors.Is(err, syscall.ECONNREFUSED) && !b.Leaving && p.mayFence(m):
		p.fence(ctx, m, addr)
	}
	return nc, err
}

// addrOf is where a registered broker is reached.
func (p *Peers) addrOf(id protocol.BrokerID) (string, error) {
	b, ok := p.o.Cluster.Image().Broker(id)
	if !ok {
		return "", errNotRegistered
	}
	return p.addr(&b)
}

// secure is Secure, within the time that a dial has. Who is reached and cannot be
// talked to is not dead.
func (p *Peers) secure(ctx context.Context, nc net.Conn, addr string) (net.Conn, error) {
	if p.o.Secure == nil {
		return nc, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, secureTimeout)
	defer cancel()
	secured, err := p.o.Secure(ctx, nc, host)
	if err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return secured, nil
}

// addr is where other brokers reach a broker.
func (p *Peers) addr(b *image.Broker) (string, error) {
	for _, e := range b.Endpoints {
		if e.Name == p.o.InterBroker {
			return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))), nil
		}
	}
	return "", fmt.Errorf("broker %d has no listener %q, by which brokers reach each other", b.ID, p.o.InterBroker)
}

// noteReached notes that a broker was reached in this epoch.
func (p *Peers) noteReached(m protocol.Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.reached[m.ID] = max(p.mu.reached[m.ID], m.BrokerEpoch)
}

// mayFence reports, once, whether a broker was reached in this epoch.
func (p *Peers) mayFence(m protocol.Member) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.reached[m.ID] != m.BrokerEpoch {
		return false
	}
	delete(p.mu.reached, m.ID)
	return true
}

// fence tells the cluster that a broker is dead.
func (p *Peers) fence(ctx context.Context, m protocol.Member, addr string) {
	p.log.Warn("broker refuses connections; fencing it", "broker", m.ID, "broker_epoch", m.BrokerEpoch, "address", addr)
	ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	if err := p.o.Cluster.Fence(ctx, m.ID, m.BrokerEpoch); err != nil {
		p.log.Warn("a dead broker could not be fenced; its registration stays until its lease ends",
			"broker", m.ID, "broker_epoch", m.BrokerEpoch, "error", err)
		p.noteReached(m) // to try again
	}
}
