package protocol

import "slices"

// Member is a broker in one broker epoch. A broker that registers again gets a
// higher epoch, so that what was promised to, or by, an earlier registration can
// be told from what holds now (KIP-903).
type Member struct {
	ID          BrokerID
	BrokerEpoch BrokerEpoch
}

// Members are different brokers, each in one broker epoch, such as an ISR.
type Members []Member

// Index is the place of a broker, in whatever epoch, or -1.
func (m Members) Index(id BrokerID) int {
	return slices.IndexFunc(m, func(m Member) bool { return m.ID == id })
}

// Has reports whether a broker is among the members, in whatever epoch.
func (m Members) Has(id BrokerID) bool { return m.Index(id) >= 0 }

// IDs are the members without their epochs, in their order.
func (m Members) IDs() []BrokerID {
	ids := make([]BrokerID, len(m))
	for i := range m {
		ids[i] = m[i].ID
	}
	return ids
}

// PartitionState is what the metadata says of one partition, as its replicas are
// told: one state of a register that only changes by compare-and-swap and counts
// its changes.
//
// Its slices are shared by all who were told, and are not changed.
type PartitionState struct {
	Leader      BrokerID // NoBroker: nobody leads
	LeaderEpoch LeaderEpoch
	// PartitionEpoch counts the changes of the state, from 0 (KIP-497).
	PartitionEpoch int32
	Replicas       []BrokerID // the first is preferred as leader
	// ISR is a subset of Replicas, each in the epoch in which it came into sync.
	ISR Members
}

// Hosts reports whether a broker holds a replica.
func (s *PartitionState) Hosts(id BrokerID) bool { return slices.Contains(s.Replicas, id) }

// InSync reports whether a broker is in the ISR, in whatever epoch.
func (s *PartitionState) InSync(id BrokerID) bool { return s.ISR.Has(id) }

// ISRChange asks the metadata for another ISR (KIP-497). It is to be applied only
// if the partition is still at LeaderEpoch and PartitionEpoch, and if every one of
// Added is still registered in that epoch; PartitionEpoch then rises by one.
type ISRChange struct {
	LeaderEpoch    LeaderEpoch
	PartitionEpoch int32
	ISR            Members
	Added          Members // those of ISR that are not in it now
}
