package replica

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// Member is a broker in one of its lives. A broker that starts again registers
// anew and gets a higher incarnation, so what was promised to, or by, its
// earlier life can be told from what holds now (KIP-903).
type Member struct {
	ID          protocol.BrokerID
	Incarnation int64
}

// Standing is what the metadata says of one partition: one state of a register
// that only changes by compare-and-swap and counts its changes.
//
// The slices are not changed once a Core was given them.
type Standing struct {
	Leader         protocol.BrokerID // NoBroker: nobody leads
	LeaderEpoch    protocol.LeaderEpoch
	PartitionEpoch int32
	Replicas       []protocol.BrokerID
	ISR            []Member // each in the life in which it came into sync
}

// ISRChange asks the metadata for another ISR. It is to be applied only if the
// partition is still at LeaderEpoch and PartitionEpoch, and if every one of
// Added is still registered in that life; PartitionEpoch then rises by one.
type ISRChange struct {
	LeaderEpoch    protocol.LeaderEpoch
	PartitionEpoch int32
	ISR            []Member
	Added          []Member // those of ISR that are not in it now
}

func (s *Standing) hosts(id protocol.BrokerID) bool { return slices.Contains(s.Replicas, id) }

// inSync reports whether a broker is in the ISR, in whatever life.
func (s *Standing) inSync(id protocol.BrokerID) bool { return indexOf(s.ISR, id) >= 0 }

func indexOf(members []Member, id protocol.BrokerID) int {
	return slices.IndexFunc(members, func(m Member) bool { return m.ID == id })
}
