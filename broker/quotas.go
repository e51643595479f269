package broker

import (
	"sync"
	"time"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/quota"
	"github.com/lockstep-log/lockstep/protocol"
)

// ratesMax bounds the clients whose rates are measured. Beyond it those that have
// rested are forgotten, and then whichever.
const ratesMax = 10_000

// quotas measures what clients use, and has them wait. Safe for any goroutine.
type quotas struct {
	mu struct {
		sync.Mutex
		set    *quota.Set // by which the rates are judged
		lifted chan struct{}
		rates  map[ratedBy]*quota.Rate
	}
}

// ratedBy is a limit's name and whom it counts.
type ratedBy struct {
	key string
	by  quota.Entity
}

func newQuotas() *quotas {
	q := &quotas{}
	q.mu.rates, q.mu.lifted = map[ratedBy]*quota.Rate{}, make(chan struct{})
	return q
}

// follow takes changed quotas into use. Who waits by the old ones waits no longer: his
// next request is judged by the new ones.
func (q *quotas) follow(set *quota.Set) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.set == set {
		return
	}
	q.mu.set = set
	close(q.mu.lifted)
	q.mu.lifted = make(chan struct{})
	clear(q.mu.rates)
}

// use notes what a client used, and returns for how long it is to wait, unless the
// quotas change before.
func (q *quotas) use(key, user, clientID string, amount float64, nowMs int64) (waitMs int64, lifted <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit, by, ok := q.mu.set.Resolve(key, user, clientID)
	if !ok {
		return 0, nil
	}
	id := ratedBy{key, by}
	r := q.mu.rates[id]
	if r == nil {
		q.makeRoom(nowMs)
		r = &quota.Rate{}
		q.mu.rates[id] = r
	}
	return r.Use(amount, limit, nowMs), q.mu.lifted
}

func (q *quotas) makeRoom(nowMs int64) {
	if len(q.mu.rates) < ratesMax {
		return
	}
	for id, r := range q.mu.rates {
		if r.Idle(nowMs) {
			delete(q.mu.rates, id)
		}
	}
	for id := range q.mu.rates {
		if len(q.mu.rates) < ratesMax {
			return
		}
		delete(q.mu.rates, id)
	}
}

// throttled is an answer that can say for how long its client is to wait.
type throttled interface{ throttle(ms int32) }

// throttle has a client wait that has used more than it may: the answer is sent at
// once and says for how long, and what the client sends next on the connection is not
// looked at before (KIP-219). Brokers that follow this one are not counted.
func (k *kept) throttle(x *transport.Exchange, a transport.Answer) {
	set := k.srv.cluster.Image().Quotas()
	if set.Size() == 0 {
		return
	}
	key, bytes := usedBy(x, a)
	if key == "" || bytes == 0 {
		return
	}
	k.srv.quotas.follow(set)
	wait, lifted := k.srv.quotas.use(key, k.who.Principal.Name, x.Header.ClientID, float64(bytes), sinceStartMs())
	if wait == 0 {
		return
	}
	if t, ok := a.(throttled); ok {
		t.throttle(int32(wait))
	}
	x.Conn.Mute(time.Duration(wait)*time.Millisecond, lifted)
}

// usedBy is what an exchange counts against: the bytes of a Produce, or those of the
// batches that a consumer fetched.
func usedBy(x *transport.Exchange, a transport.Answer) (key string, bytes int) {
	switch x.Header.Key {
	case protocol.KeyProduce:
		return quota.ProducerByteRate, len(x.Body)
	case protocol.KeyFetch:
		f, ok := a.(*fetched)
		if !ok {
			return "", 0
		}
		for _, part := range f.All() {
			bytes += part.Bytes
		}
		return quota.ConsumerByteRate, bytes
	}
	return "", 0
}
