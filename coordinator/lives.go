package coordinator

import (
	"maps"

	"github.com/lockstep-log/lockstep/protocol"
)

// LiveBroker is a live broker, as an election sees it.
type LiveBroker struct {
	Epoch protocol.BrokerEpoch
	// PreviousEpoch is the broker epoch that this one goes on from: it ended in a
	// clean shutdown and has on disk all that it had (KIP-966). 0: it did not, or
	// there was none; what it had not synced may be lost.
	PreviousEpoch protocol.BrokerEpoch
	// Leaving: the broker is about to shut down and wants to lead nothing.
	Leaving bool
	// DirectorySince is the broker epoch from which on the broker has had its disk:
	// what it joined before is gone. 0: not known.
	DirectorySince protocol.BrokerEpoch
	// Lost is the broker epoch that found the partition's log gone, or not to be
	// opened: what it joined before, or when nobody knows, is gone. 0: none did.
	Lost protocol.BrokerEpoch
}

// has reports whether the broker still has the log with which it came into
// sync in an epoch; 0: in which, is not known.
func (l LiveBroker) has(joined protocol.BrokerEpoch) bool {
	joined = max(joined, -joined)
	return (joined == 0 || joined >= l.DirectorySince) && joined >= l.Lost
}

// LiveBrokers are the live brokers, as the election of one partition sees them.
type LiveBrokers map[protocol.BrokerID]LiveBroker

// liveness is the live brokers of one image: for most partitions the same.
type liveness struct {
	all  LiveBrokers
	lost map[protocol.TopicPartition]LiveBrokers // where a broker has lost its log
}

func newLiveness(im *Image) liveness {
	e := liveness{all: make(LiveBrokers, len(im.brokers)), lost: map[protocol.TopicPartition]LiveBrokers{}}
	for i := range im.brokers {
		b := &im.brokers[i]
		e.all[b.ID] = LiveBroker{Epoch: b.Epoch, PreviousEpoch: b.PreviousEpoch, Leaving: b.Leaving, DirectorySince: b.DirectorySince}
	}
	for i := range im.brokers {
		b := &im.brokers[i]
		for _, id := range b.Lost {
			if e.lost[id] == nil {
				e.lost[id] = maps.Clone(e.all)
			}
			there := e.lost[id][b.ID]
			there.Lost = b.foundLost()
			e.lost[id][b.ID] = there
		}
	}
	return e
}

// of are the brokers as the partition's election sees them.
func (e *liveness) of(id protocol.TopicPartition) LiveBrokers {
	if brokers, ok := e.lost[id]; ok {
		return brokers
	}
	return e.all
}

// foundLost is the epoch that found what is Lost.
func (b *Broker) foundLost() protocol.BrokerEpoch {
	if b.lostSince != 0 {
		return b.lostSince
	}
	return b.Epoch
}
