package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// The keys of the store. A registration's revision is the broker epoch.
const (
	keyPartition  = "partition"
	keyController = "controller"
	keyBrokers    = "brokers/"
	keyLeaving    = "leaving/"
)

func brokerKey(id protocol.BrokerID) string  { return fmt.Sprintf("%s%d", keyBrokers, id) }
func leavingKey(id protocol.BrokerID) string { return fmt.Sprintf("%s%d", keyLeaving, id) }

// registration is what a broker says of itself.
type registration struct {
	Before protocol.BrokerEpoch
	Lost   bool
}

// brokerImage is what one broker has seen of the store.
type brokerImage struct {
	rev        int64
	partition  image.Partition
	modRev     int64 // of the partition
	live       plan.LiveBrokers
	leaving    map[protocol.BrokerID]bool
	controller protocol.BrokerID
}

func newImage() brokerImage {
	return brokerImage{live: plan.LiveBrokers{}, leaving: map[protocol.BrokerID]bool{}, controller: protocol.NoBroker}
}

func (im *brokerImage) fold(e store.Event) {
	var id protocol.BrokerID
	switch key := e.KV.Key; {
	case key == keyPartition:
		im.partition, im.modRev = decode[image.Partition](e.KV.Value), e.KV.ModRevision
	case key == keyController && e.Deleted:
		im.controller = protocol.NoBroker
	case key == keyController:
		im.controller = decode[protocol.BrokerID](e.KV.Value)
	case scan(key, keyBrokers, &id) && e.Deleted:
		delete(im.live, id)
	case scan(key, keyBrokers, &id):
		r := decode[registration](e.KV.Value)
		b := plan.LiveBroker{Epoch: protocol.BrokerEpoch(e.KV.ModRevision), PreviousEpoch: r.Before}
		if r.Lost {
			b.Lost = b.Epoch
		}
		im.live[id] = b
	case scan(key, keyLeaving, &id):
		im.leaving[id] = !e.Deleted
	}
}

func scan(key, prefix string, id *protocol.BrokerID) bool {
	n, _ := fmt.Sscanf(key, prefix+"%d", id)
	return n == 1
}

// liveBrokers are those that are registered, and who of them is about to go.
func (im *brokerImage) liveBrokers() plan.LiveBrokers {
	brokers := maps.Clone(im.live)
	for id, leaving := range im.leaving {
		if b, ok := brokers[id]; ok && leaving {
			b.Leaving = true
			brokers[id] = b
		}
	}
	return brokers
}

// unchanged compares the registrations of those who live: who was chosen may be
// in another broker epoch by now, and have lost its log.
func (im *brokerImage) unchanged(isr protocol.Members) (compares []store.Compare) {
	for _, m := range isr {
		if b, live := im.live[m.ID]; live {
			compares = append(compares, store.Compare{Key: brokerKey(m.ID), ModRevision: int64(b.Epoch)})
		}
	}
	return compares
}

// put stores the partition's next state if it is still at that revision.
func put(s *store.Memory, next image.Partition, modRev int64, also ...store.Compare) bool {
	next.PartitionEpoch++
	compares := append(also, store.Compare{Key: keyPartition, ModRevision: modRev})
	ok, _, err := s.Txn(context.Background(), compares, []store.Op{store.Put(keyPartition, encode(next))})
	return ok && err == nil
}

// partitionNow is the register itself, as only the store and the checker see it.
func partitionNow(s *store.Memory) (image.Partition, int64) {
	kv, _, err := s.Get(context.Background(), keyPartition)
	if err != nil || kv.ModRevision == 0 {
		return image.Partition{}, 0
	}
	return decode[image.Partition](kv.Value), kv.ModRevision
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func decode[V any](b []byte) (v V) {
	if err := json.Unmarshal(b, &v); err != nil {
		panic(err)
	}
	return v
}
