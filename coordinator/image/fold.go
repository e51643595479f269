package image

import (
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// Fold makes the next Image out of one Image and the changes since. It copies
// what changes, once for all changes of a batch, and shares the rest. It is a
// plain value of one goroutine and is used once.
type Fold struct {
	keys store.Keys
	base *Image
	next Image

	byName map[string]*Topic           // changed topics by folded name; nil: deleted
	byID   map[protocol.TopicID]*Topic // the same by id; nil: deleted
	mine   map[*Topic]bool             // those that this fold made, and may change
	acls   *acl.Edit                   // nil: no ACL changes
	notes  []error                     // what could not be folded
}

// NewFold begins with an image. Changes are added, and then Image ends it.
func NewFold(keys store.Keys, base *Image) *Fold {
	return &Fold{
		keys:   keys,
		base:   base,
		next:   *base,
		byName: make(map[string]*Topic),
		byID:   make(map[protocol.TopicID]*Topic),
		mine:   make(map[*Topic]bool),
	}
}

// Empty is what a fold over a whole listing starts from.
func Empty() *Image { return &Image{Controller: protocol.NoBroker} }

// Load folds a whole listing. Topics come before the state of their partitions,
// which the listing's order would put first.
func Load(keys store.Keys, all []store.KeyValue, revision int64) (*Image, error) {
	f := NewFold(keys, Empty())
	for _, kv := range all {
		if f.keys.Parse(kv.Key).Kind != store.KeyPartition {
			f.Add(store.Event{KV: kv})
		}
	}
	for _, kv := range all {
		if f.keys.Parse(kv.Key).Kind == store.KeyPartition {
			f.Add(store.Event{KV: kv})
		}
	}
	return f.Image(revision)
}

// Add folds one change. What it cannot read it leaves as it was, and notes.
func (f *Fold) Add(e store.Event) {
	key := f.keys.Parse(e.KV.Key)
	var err error
	switch key.Kind {
	case store.KeyFormat:
		err = f.addFormat(e)
	case store.KeyController:
		err = f.addController(e)
	case store.KeyBroker:
		err = f.addBroker(key.Broker, e)
	case store.KeyDirectory:
		err = f.addDirectory(key.Broker, e)
	case store.KeyLeaving:
		f.addLeaving(key.Broker, e)
	case store.KeySuspect:
		err = f.addSuspect(key.Broker, key.By, e)
	case store.KeyTopic:
		err = f.addTopic(key.Folded, e)
	case store.KeyPartition:
		err = f.addPartition(key.Topic, key.Index, e)
	case store.KeyClusterConfig:
		err = f.addClusterConfig(e)
	case store.KeyBrokerConfig:
		err = f.addBrokerConfig(key.Broker, e)
	case store.KeyGroupConfig:
		err = f.addGroupConfig(key.Group, e)
	case store.KeyQuota:
		err = f.addQuota(key.Entity, e)
	case store.KeyACL:
		err = f.addACL(key.ACL, e)
	case store.KeyUser:
		err = f.addUser(key.User, e)
	case store.KeySecret:
		err = f.addSecret(e)
	case store.KeyProducerIDs, store.KeyUnknown:
		// Producer ids are read when they are taken.
	}
	if err != nil {
		f.notes = append(f.notes, err)
	}
}

func (f *Fold) addFormat(e store.Event) error {
	if e.Deleted {
		return fmt.Errorf("key %s was deleted", e.KV.Key)
	}
	v, err := store.Decode[store.FormatValue](e.KV)
	if err != nil {
		return err
	}
	if v.Version > store.FormatVersion {
		return fmt.Errorf("%w: it is %d, and this version knows %d", ErrNewerFormat, v.Version, store.FormatVersion)
	}
	if f.next.ClusterID != "" && f.next.ClusterID != v.ClusterID {
		return fmt.Errorf("%w: it was %s and became %s", ErrClusterMismatch, f.next.ClusterID, v.ClusterID)
	}
	f.next.ClusterID = v.ClusterID
	return nil
}

func (f *Fold) addController(e store.Event) error {
	if e.Deleted {
		f.next.Controller = protocol.NoBroker
		return nil
	}
	v, err := store.Decode[store.ControllerValue](e.KV)
	if err == nil {
		f.next.Controller = v.Broker
	}
	return err
}

func (f *Fold) addClusterConfig(e store.Event) error {
	c, err := decodeConfig(e)
	if err == nil {
		f.next.clusterConfig = c
	}
	return err
}

func (f *Fold) addBrokerConfig(id protocol.BrokerID, e store.Event) error {
	c, err := decodeConfig(e)
	if err != nil {
		return err
	}
	f.next.brokerConfigs = put(f.next.brokerConfigs, id, c, !e.Deleted)
	return nil
}

func (f *Fold) addGroupConfig(group string, e store.Event) error {
	c, err := decodeConfig(e)
	if err != nil {
		return err
	}
	f.next.groupConfigs = put(f.next.groupConfigs, group, c, !e.Deleted)
	return nil
}

// addACL adds or removes an ACL. One of a later version, which this one cannot read as
// it is meant, is noted and left out.
func (f *Fold) addACL(id acl.ID, e store.Event) error {
	if f.acls == nil {
		f.acls = acl.NewEdit(f.base.acls)
	}
	if e.Deleted {
		f.acls.Remove(id)
		return nil
	}
	v, err := store.Decode[store.ACLValue](e.KV)
	if err != nil {
		return err
	}
	rule := ruleOf(&v)
	if err := rule.Validate(); err != nil {
		return fmt.Errorf("key %s: %w", e.KV.Key, err)
	}
	if rule.ID() != id {
		return fmt.Errorf("key %s holds another ACL, %+v", e.KV.Key, rule)
	}
	f.acls.Add(rule)
	return nil
}

func decodeConfig(e store.Event) (Config, error) {
	if e.Deleted {
		return Config{}, nil
	}
	values, err := store.Decode[map[string]string](e.KV)
	return Config{Values: values, Revision: e.KV.ModRevision}, err
}

// addTopic takes a topic's new value and keeps the state of its partitions.
func (f *Fold) addTopic(folded string, e store.Event) error {
	if e.Deleted {
		f.drop(folded, f.topicFolded(folded))
		return nil
	}
	v, err := store.Decode[store.TopicValue](e.KV)
	if err != nil {
		return err
	}
	t, err := topicOf(&v, e.KV.ModRevision)
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
		if o := &old.Partitions[i]; o.Revision != 0 {
			t.Partitions[i] = t.Partitions[i].with(o.Value(), o.Revision)
		}
	}
}

func (f *Fold) drop(folded string, old *Topic) {
	if old == nil {
		return
	}
	f.byName[folded], f.byID[old.ID] = nil, nil
}

// addPartition takes a partition's state. That of a topic which is gone, or
// with an index which it does not have, is a leftover and means nothing.
func (f *Fold) addPartition(id protocol.TopicID, index int32, e store.Event) error {
	t := f.topicByID(id)
	if t == nil || index < 0 || int(index) >= len(t.Partitions) {
		return nil
	}
	if e.Deleted {
		t = f.own(t)
		t.Partitions[index] = t.Made.partition(int(index))
		return nil
	}
	v, err := store.Decode[store.PartitionValue](e.KV)
	if err != nil {
		return err
	}
	p := &f.own(t).Partitions[index]
	*p = p.with(v, e.KV.ModRevision)
	return nil
}

// own returns a copy of the topic that this fold may change, made at the first call.
func (f *Fold) own(t *Topic) *Topic {
	if f.mine[t] {
		return t
	}
	c := *t
	c.Partitions = slices.Clone(t.Partitions)
	f.byName[store.FoldName(c.Name)], f.byID[c.ID], f.mine[&c] = &c, &c, true
	return &c
}

func (f *Fold) topicByID(id protocol.TopicID) *Topic {
	if t, ok := f.byID[id]; ok {
		return t
	}
	t, _ := f.base.TopicByID(id)
	return t
}

// topicFolded finds a topic that is deleted, of which only the key is known.
// The base is ordered by real name, which is the folded one if it has no '.';
// if not, it is searched.
func (f *Fold) topicFolded(folded string) *Topic {
	if t, ok := f.byName[folded]; ok {
		return t
	}
	return f.base.Colliding(folded)
}
