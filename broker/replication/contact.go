package replication

import (
	"sync"
	"time"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

const (
	// stepAsideAfterMs is how long a leader's pending produces wait, while the metadata
	// is out of reach, until they fail and their clients look elsewhere.
	stepAsideAfterMs = 1000
	// contactMax is within which time a broker in contact is heard of: it fetches again
	// with each answer, which comes within heartbeatInterval.
	contactMax = 3 * heartbeatInterval
)

// contact is when other brokers last asked this one for anything.
type contact struct {
	mu struct {
		sync.Mutex
		at map[protocol.BrokerID]time.Time
	}
}

func (c *contact) note(id protocol.BrokerID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.at == nil {
		c.mu.at = make(map[protocol.BrokerID]time.Time)
	}
	c.mu.at[id] = time.Now()
}

func (c *contact) isRecent(id protocol.BrokerID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.mu.at[id]) < contactMax
}

// StepAside is for a broker that cannot reach the metadata, and is to be called again
// and again for as long: where no follower is in contact either, others may have
// elected a leader since, and clients are to ask them. It costs no write that could
// have been committed.
func (s *Sessions) StepAside() {
	s.o.Host.Each(func(_ *partitions.Topic, p *partitions.Partition) { s.stepAside(p) })
}

func (s *Sessions) stepAside(p *partitions.Partition) {
	st := p.State()
	if st.Role != replica.RoleLeader || len(st.ISR) < 2 {
		return
	}
	for _, m := range st.ISR {
		if m.ID != s.o.NodeID && s.contact.isRecent(m.ID) {
			p.StepAside(stepAsideAfterMs)
			return
		}
	}
	p.StepAside(0)
}
