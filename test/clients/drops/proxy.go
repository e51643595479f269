package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	between = 150 * time.Millisecond // cuts
	late    = 3 * time.Millisecond   // answers are, so that a cut finds requests without one
)

// proxy passes bytes on between a client and the broker, and closes every
// connection at once, both halves, whatever is on its way.
type proxy struct {
	listener net.Listener
	calm     chan struct{}
	once     sync.Once
	running  sync.WaitGroup

	mu         sync.Mutex
	links      map[*link]bool
	closed     bool
	cuts       int
	unanswered int
}

// link is one client's connection and the one to the broker.
type link struct {
	client, broker net.Conn
	owes           atomic.Bool // the broker has heard more since it last answered
}

func (l *link) close() {
	l.client.Close()
	l.broker.Close()
}

func listen() (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &proxy{listener: l, calm: make(chan struct{}), links: map[*link]bool{}}, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// serve accepts clients until close.
func (p *proxy) serve(upstream string) { p.running.Go(func() { p.accept(upstream) }) }

// startCuts cuts until stopCuts.
func (p *proxy) startCuts() {
	p.running.Go(func() {
		for {
			select {
			case <-p.calm:
				return
			case <-time.After(between):
				p.cut()
			}
		}
	})
}

func (p *proxy) stopCuts() { p.once.Do(func() { close(p.calm) }) }

func (p *proxy) accept(upstream string) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		broker, err := net.Dial("tcp", upstream)
		if err != nil {
			client.Close()
			continue
		}
		p.join(&link{client: client, broker: broker})
	}
}

// join passes on what the halves of a link say, until either is closed.
func (p *proxy) join(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		l.close()
		return
	}
	p.links[l] = true
	pass := func(to, from net.Conn, before func()) func() {
		return func() {
			defer p.forget(l)
			for buf := make([]byte, 16<<10); ; {
				n, err := from.Read(buf)
				if err != nil {
					return
				}
				before()
				if _, err := to.Write(buf[:n]); err != nil {
					return
				}
			}
		}
	}
	p.running.Go(pass(l.broker, l.client, func() { l.owes.Store(true) }))
	p.running.Go(pass(l.client, l.broker, func() { time.Sleep(late); l.owes.Store(false) }))
}

func (p *proxy) forget(l *link) {
	l.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		p.cuts++
		if l.owes.Load() {
			p.unanswered++
		}
		l.close()
		delete(p.links, l)
	}
}

// counts returns how many connections were cut, and how many of them while the
// client waited for an answer.
func (p *proxy) counts() (cuts, unanswered int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts, p.unanswered
}

// close ends the links that are left, and waits for what serve has begun.
func (p *proxy) close() error {
	err := p.listener.Close()
	p.stopCuts()
	p.mu.Lock()
	p.closed = true
	for l := range p.links {
		l.close()
	}
	p.mu.Unlock()
	p.running.Wait()
	return err
}
