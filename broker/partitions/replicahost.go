package partitions

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// replicaHost does for the replicas what they ask of their broker: it has fetched
// for them, and carries their wishes to the metadata. It is called from their loops
// and never blocks.
type replicaHost struct{ h *Host }

var _ replica.Host = (*replicaHost)(nil)

// Fetch implements replica.Host.
func (r *replicaHost) Fetch(p *replica.Partition, leader protocol.BrokerID, f replica.Fetch) {
	r.h.o.Fetcher.Fetch(p, leader, f)
}

// StopFetch implements replica.Host.
func (r *replicaHost) StopFetch(p *replica.Partition) { r.h.o.Fetcher.StopFetch(p) }

// AlterISR implements replica.Host.
func (r *replicaHost) AlterISR(p *replica.Partition, ch protocol.ISRChange) {
	r.h.o.Cluster.AlterISR(p.ID(), ch, func(ok bool) {
		p.ISRAnswered(ch, ok)
		if ok {
			r.h.o.Metrics.ISRChanged(len(ch.Added) > 0)
		}
	})
}

// Resign implements replica.Host.
func (r *replicaHost) Resign(p *replica.Partition) {
	r.h.o.Cluster.Resign(p.ID(), r.h.o.Cluster.BrokerEpoch())
}

// RoleChanged implements replica.Host.
func (r *replicaHost) RoleChanged(_ *replica.Partition, st *replica.State) {
	if st.Role == replica.RoleLeader {
		r.h.o.Metrics.Elected()
	}
}
