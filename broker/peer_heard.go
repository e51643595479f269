package broker

import (
	"sync"
	"time"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

const (
	// doubtAfterMs is how long a leader's writers wait, while the metadata is out of
	// reach, until they are told to look elsewhere.
	doubtAfterMs = 1000
	// heardWithin is within which time a broker in touch is heard of: it asks again
	// with each answer, which comes within replication.HeartbeatInterval.
	heardWithin = 3 * replication.HeartbeatInterval
)

// heard is when other brokers last asked this one for anything.
type heard struct {
	mu struct {
		sync.Mutex
		at map[protocol.BrokerID]time.Time
	}
}

func (h *heard) note(id protocol.BrokerID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.at == nil {
		h.mu.at = make(map[protocol.BrokerID]time.Time)
	}
	h.mu.at[id] = time.Now()
}

func (h *heard) lately(id protocol.BrokerID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.mu.at[id]) < heardWithin
}

// doubt is for a broker that cannot reach the metadata: where no follower is in
// touch either, others may have elected a leader since, and clients are to ask
// them. It costs no write that could have been committed.
func (s *Server) doubt(p *partitions.Partition) {
	st := p.State()
	if st.Role != replica.RoleLeader || len(st.ISR) < 2 {
		return
	}
	for _, m := range st.ISR {
		if m.ID != s.cfg.NodeID && s.heard.lately(m.ID) {
			p.Doubt(doubtAfterMs)
			return
		}
	}
	p.Doubt(0)
}
