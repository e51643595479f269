package plan

import (
	"maps"

	"github.com/lockstep-log/lockstep/coordinator/image"
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

// Liveness is the live brokers of one image, as elections see them: for most
// partitions the same.
type Liveness struct {
	all  LiveBrokers
	lost map[protocol.TopicPartition]LiveBrokers // where a broker has lost its log
}

// LivenessIn is who lives in an image.
func LivenessIn(im *image.Image) *Liveness {
	brokers := im.Brokers()
	l := &Liveness{all: make(LiveBrokers, len(brokers)), lost: map[protocol.TopicPartition]LiveBrokers{}}
	for i := range brokers {
		b := &brokers[i]
		l.all[b.ID] = LiveBroker{Epoch: b.Epoch, PreviousEpoch: b.PreviousEpoch, Leaving: b.Leaving,
			DirectorySince: b.DirectorySince}
	}
	for i := range brokers {
		b := &brokers[i]
		for _, id := range b.Lost {
			if l.lost[id] == nil {
				l.lost[id] = maps.Clone(l.all)
			}
			there := l.lost[id][b.ID]
			there.Lost = b.LostFoundIn()
			l.lost[id][b.ID] = there
		}
	}
	return l
}

// For are the brokers as the partition's election sees them.
func (l *Liveness) For(id protocol.TopicPartition) LiveBrokers {
	if brokers, ok := l.lost[id]; ok {
		return brokers
	}
	return l.all
}
