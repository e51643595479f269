package broker

import (
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// attendant does for the partitions what they ask of their broker: it fetches
// for them, and carries their wishes to the metadata. It is called from their
// loops and never blocks.
type attendant struct{ srv *Server }

// Fetch implements replica.Host.
func (a *attendant) Fetch(p *replica.Partition, leader protocol.BrokerID, f replica.Fetch) {}

// StopFetch implements replica.Host.
func (a *attendant) StopFetch(p *replica.Partition) {}

// AlterISR implements replica.Host.
func (a *attendant) AlterISR(p *replica.Partition, ch replica.ISRChange) {
	p.ISRAnswered(ch, false)
}

// Resign implements replica.Host.
func (a *attendant) Resign(p *replica.Partition) {}

// RoleChanged implements replica.Host.
func (a *attendant) RoleChanged(_ *replica.Partition, _ *replica.State) {}

// resign is for a log that would not open while the broker runs.
func (h *hosted) resign(t *topic, ip *coordinator.Partition, p *partition) {}
