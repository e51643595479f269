package coordinator

import (
	"maps"

	"github.com/lockstep-log/lockstep/protocol"
)

// Life is a live broker, as an election sees it.
type Life struct {
	Incarnation int64
	// Before is the incarnation that this life goes on from: it was shut down
	// cleanly and has on disk all that it had. 0: it was not, or there was none;
	// what it had not synced may be lost.
	Before int64
	// Leaving: the broker is about to shut down and wants to lead nothing.
	Leaving bool
	// Since is the incarnation from which on the broker has had its disk: what it
	// joined before is gone. 0: not known.
	Since int64
	// Lost is the incarnation that found the partition's log gone, or not to be
	// opened: what it joined before, or when nobody knows, is gone. 0: none did.
	Lost int64
}

// has reports whether the broker still has the log with which it came into
// sync in an incarnation; 0: in which, is not known.
func (l Life) has(joined int64) bool {
	joined = max(joined, -joined)
	return (joined == 0 || joined >= l.Since) && joined >= l.Lost
}

// Lives are the live brokers, as the election of one partition sees them.
type Lives map[protocol.BrokerID]Life

// electorate is who lives in one image: for most partitions the same for all.
type electorate struct {
	all  Lives
	lost map[protocol.TopicPartition]Lives // those with a Life of their own there
}

func newElectorate(im *Image) electorate {
	e := electorate{all: make(Lives, len(im.brokers)), lost: map[protocol.TopicPartition]Lives{}}
	for i := range im.brokers {
		b := &im.brokers[i]
		e.all[b.ID] = Life{Incarnation: b.Incarnation, Before: b.Before, Leaving: b.Leaving, Since: b.Since}
	}
	for i := range im.brokers {
		b := &im.brokers[i]
		for _, id := range b.Lost {
			if e.lost[id] == nil {
				e.lost[id] = maps.Clone(e.all)
			}
			life := e.lost[id][b.ID]
			life.Lost = b.foundLost()
			e.lost[id][b.ID] = life
		}
	}
	return e
}

// of are the lives as the partition's election sees them.
func (e *electorate) of(id protocol.TopicPartition) Lives {
	if lives, ok := e.lost[id]; ok {
		return lives
	}
	return e.all
}

// foundLost is the incarnation that found what is Lost.
func (b *Broker) foundLost() int64 {
	if b.lostSince != 0 {
		return b.lostSince
	}
	return b.Incarnation
}
