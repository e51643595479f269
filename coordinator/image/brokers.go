package image

import (
	"cmp"
	"maps"
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// directory is the data directory that a broker was last registered with, and
// the broker epoch since which it has had it.
type directory struct {
	id    string
	since protocol.BrokerEpoch
}

func (f *Fold) addBroker(id protocol.BrokerID, e store.Event) error {
	var b Broker
	if !e.Deleted {
		v, err := store.Decode[store.BrokerValue](e.KV)
		if err != nil {
			return err
		}
		if b, err = brokerOf(&v, id, e.KV); err != nil {
			return err
		}
	}
	others := slices.DeleteFunc(slices.Clone(f.next.brokers), func(b Broker) bool { return b.ID == id })
	if !e.Deleted {
		others = append(others, b)
		slices.SortFunc(others, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	}
	f.next.brokers = others
	f.dress(id)
	return nil
}

func (f *Fold) addDirectory(id protocol.BrokerID, e store.Event) error {
	v := store.DirectoryValue{}
	if !e.Deleted {
		var err error
		if v, err = store.Decode[store.DirectoryValue](e.KV); err != nil {
			return err
		}
	}
	f.next.directories = put(f.next.directories, id, directory{v.Directory, protocol.BrokerEpoch(e.KV.ModRevision)},
		!e.Deleted)
	f.dress(id)
	return nil
}

func (f *Fold) addLeaving(id protocol.BrokerID, e store.Event) {
	f.next.leaving = put(f.next.leaving, id, true, !e.Deleted)
	f.dress(id)
}

func (f *Fold) addSuspect(id, by protocol.BrokerID, e store.Event) error {
	v := store.SuspectValue{}
	if !e.Deleted {
		var err error
		if v, err = store.Decode[store.SuspectValue](e.KV); err != nil {
			return err
		}
	}
	of := put(f.next.suspects[id], by, v.Epoch, !e.Deleted)
	f.next.suspects = put(f.next.suspects, id, of, len(of) > 0)
	return nil
}

// dress puts on a broker what other keys say of it. They may come before or after its own.
func (f *Fold) dress(id protocol.BrokerID) {
	at := slices.IndexFunc(f.next.brokers, func(b Broker) bool { return b.ID == id })
	if at < 0 {
		return
	}
	f.next.brokers = slices.Clone(f.next.brokers)
	b := &f.next.brokers[at]
	b.Leaving, b.DirectorySince = f.next.leaving[id], 0
	if d := f.next.directories[id]; d.id == b.DirectoryID {
		b.DirectorySince = d.since
	}
}

// put returns a map with the key's value in it, or without it, and leaves the old one as it is.
func put[K comparable, V any](old map[K]V, id K, v V, in bool) map[K]V {
	next := maps.Clone(old)
	if next == nil {
		next = make(map[K]V)
	}
	next[id] = v
	if !in {
		delete(next, id)
	}
	return next
}
