package coordinator

import (
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// fold makes the next Image out of one Image and the changes since. It copies
// what changes, once for all changes of a batch, and shares the rest. It is a
// plain value of one goroutine and is used once.
type fold struct {
	layout layout
	base   *Image
	next   Image

	byName map[string]*Topic           // changed topics by folded name; nil: deleted
	byID   map[protocol.TopicID]*Topic // the same by id; nil: deleted
	mine   map[*Topic]bool             // those that this fold made, and may change
	notes  []error                     // what could not be folded
}

func newFold(l layout, base *Image) *fold {
	return &fold{
		layout: l,
		base:   base,
		next:   *base,
		byName: make(map[string]*Topic),
		byID:   make(map[protocol.TopicID]*Topic),
		mine:   make(map[*Topic]bool),
	}
}

// emptyImage is what a fold over a whole listing starts from.
func emptyImage() *Image { return &Image{Controller: protocol.NoBroker} }

// load folds a whole listing. Topics come before the state of their partitions,
// which the listing's order would put first.
func load(l layout, all []KeyValue, revision int64) (*Image, error) {
	f := newFold(l, emptyImage())
	for _, kv := range all {
		if f.layout.parse(kv.Key).kind != keyPartition {
			f.add(Event{KV: kv})
		}
	}
	for _, kv := range all {
		if f.layout.parse(kv.Key).kind == keyPartition {
			f.add(Event{KV: kv})
		}
	}
	return f.image(revision)
}

// add folds one change. What it cannot read it leaves as it was, and notes.
func (f *fold) add(e Event) {
	key := f.layout.parse(e.KV.Key)
	var err error
	switch key.kind {
	case keyFormat:
		err = f.addFormat(e)
	case keyController:
		err = f.addController(e)
	case keyBroker:
		err = f.addBroker(key.broker, e)
	case keyDirectory:
		err = f.addDirectory(key.broker, e)
	case keyLeaving:
		f.addLeaving(key.broker, e)
	case keySuspect:
		err = f.addSuspect(key.broker, key.by, e)
	case keyTopic:
		err = f.addTopic(key.folded, e)
	case keyPartition:
		err = f.addPartition(key.topic, key.index, e)
	case keyClusterConfig:
		err = f.addClusterConfig(e)
	case keyBrokerConfig:
		err = f.addBrokerConfig(key.broker, e)
	case keyGroupConfig:
		err = f.addGroupConfig(key.group, e)
	case keyProducerIDs, keyUnknown:
		// Producer ids are read when they are taken.
	}
	if err != nil {
		f.notes = append(f.notes, err)
	}
}

func (f *fold) addFormat(e Event) error {
	if e.Deleted {
		return fmt.Errorf("key %s was deleted", e.KV.Key)
	}
	v, err := decode[formatValue](e.KV)
	if err != nil {
		return err
	}
	if v.Version > FormatVersion {
		return fmt.Errorf("%w: it is %d, and this version knows %d", ErrNewerFormat, v.Version, FormatVersion)
	}
	if f.next.ClusterID != "" && f.next.ClusterID != v.ClusterID {
		return fmt.Errorf("%w: it was %s and became %s", ErrClusterMismatch, f.next.ClusterID, v.ClusterID)
	}
	f.next.ClusterID = v.ClusterID
	return nil
}

func (f *fold) addController(e Event) error {
	if e.Deleted {
		f.next.Controller = protocol.NoBroker
		return nil
	}
	v, err := decode[controllerValue](e.KV)
	if err == nil {
		f.next.Controller = v.Broker
	}
	return err
}

func (f *fold) addClusterConfig(e Event) error {
	c, err := decodeConfig(e)
	if err == nil {
		f.next.clusterConfig = c
	}
	return err
}

func (f *fold) addBrokerConfig(id protocol.BrokerID, e Event) error {
	c, err := decodeConfig(e)
	if err != nil {
		return err
	}
	f.next.brokerConfigs = put(f.next.brokerConfigs, id, c, !e.Deleted)
	return nil
}

func (f *fold) addGroupConfig(group string, e Event) error {
	c, err := decodeConfig(e)
	if err != nil {
		return err
	}
	f.next.groupConfigs = put(f.next.groupConfigs, group, c, !e.Deleted)
	return nil
}

func decodeConfig(e Event) (configMap, error) {
	if e.Deleted {
		return configMap{}, nil
	}
	values, err := decode[map[string]string](e.KV)
	return configMap{values: values, modRevision: e.KV.ModRevision}, err
}

// addTopic takes a topic's new value and keeps the state of its partitions.
func (f *fold) addTopic(folded string, e Event) error {
	if e.Deleted {
		f.drop(folded, f.topicFolded(folded))
		return nil
	}
	v, err := decode[topicValue](e.KV)
	if err != nil {
		return err
	}
	t, err := v.topic(e.KV.ModRevision)
	if err != nil {
		return err
	}
	if old := f.topicByID(t.ID); old != nil {
		keepState(t, old)
	}
	f.byName[folded], f.byID[t.ID], f.mine[t] = t, t, true
	return nil
}

// keepState moves the state of the old topic's partitions into the new one.
func keepState(t, old *Topic) {
	for i := range min(len(t.Partitions), len(old.Partitions)) {
		if o := &old.Partitions[i]; o.stateRevision != 0 {
			t.Partitions[i] = t.Partitions[i].with(o.value(), o.stateRevision)
		}
	}
}

func (f *fold) drop(folded string, old *Topic) {
	if old == nil {
		return
	}
	f.byName[folded], f.byID[old.ID] = nil, nil
}

// addPartition takes a partition's state. That of a topic which is gone, or
// with an index which it does not have, is a leftover and means nothing.
func (f *fold) addPartition(id protocol.TopicID, index int32, e Event) error {
	t := f.topicByID(id)
	if t == nil || index < 0 || int(index) >= len(t.Partitions) {
		return nil
	}
	if e.Deleted {
		t = f.own(t)
		t.Partitions[index] = t.made.partition(int(index))
		return nil
	}
	v, err := decode[partitionValue](e.KV)
	if err != nil {
		return err
	}
	p := &f.own(t).Partitions[index]
	*p = p.with(v, e.KV.ModRevision)
	return nil
}

// own returns a copy of the topic that this fold may change, made at the first call.
func (f *fold) own(t *Topic) *Topic {
	if f.mine[t] {
		return t
	}
	c := *t
	c.Partitions = slices.Clone(t.Partitions)
	f.byName[foldName(c.Name)], f.byID[c.ID], f.mine[&c] = &c, &c, true
	return &c
}

func (f *fold) topicByID(id protocol.TopicID) *Topic {
	if t, ok := f.byID[id]; ok {
		return t
	}
	t, _ := f.base.TopicByID(id)
	return t
}

// topicFolded finds a topic that is deleted, of which only the key is known.
// The base is ordered by real name, which is the folded one if it has no '.';
// if not, it is searched.
func (f *fold) topicFolded(folded string) *Topic {
	if t, ok := f.byName[folded]; ok {
		return t
	}
	return f.base.colliding(folded)
}
