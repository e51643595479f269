package broker

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// attendant does for the partitions what they ask of their broker: it has
// fetched for them, and carries their wishes to the metadata. It is called from
// their loops and never blocks.
type attendant struct{ srv *Server }

var _ replica.Host = (*attendant)(nil)

// Fetch implements replica.Host.
func (a *attendant) Fetch(p *replica.Partition, leader protocol.BrokerID, f replica.Fetch) {
	a.srv.followers.fetch(p, leader, f)
}

// StopFetch implements replica.Host.
func (a *attendant) StopFetch(p *replica.Partition) { a.srv.followers.stop(p) }

// AlterISR implements replica.Host.
func (a *attendant) AlterISR(p *replica.Partition, ch protocol.ISRChange) {
	a.srv.cluster.AlterISR(p.ID(), ch, func(ok bool) {
		p.ISRAnswered(ch, ok)
		switch {
		case ok && len(ch.Added) > 0:
			a.srv.metrics.isrExpands.Inc()
		case ok:
			a.srv.metrics.isrShrinks.Inc()
		}
	})
}

// Resign implements replica.Host.
func (a *attendant) Resign(p *replica.Partition) {
	a.srv.cluster.Resign(p.ID(), a.srv.cluster.BrokerEpoch())
}

// RoleChanged implements replica.Host.
func (a *attendant) RoleChanged(_ *replica.Partition, st *replica.State) {
	if st.Role == replica.RoleLeader {
		a.srv.metrics.elections.Inc()
	}
}
