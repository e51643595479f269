package image

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// An image folded from the watch, in batches of any size, is the image that a
// fresh listing gives; and no image that was published ever changes.
func TestFoldingTheChangesEqualsReadingAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := store.NewMemory(nil)
		l := store.Keys{Prefix: "/lockstep/"}
		im, from := Empty(), int64(1)
		type published struct {
			image *Image
			told  string
		}
		var all []published
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			for range rapid.IntRange(1, 4).Draw(t, "changes") {
				if _, _, err := s.Txn(context.Background(), nil, randomOps(t, s, l)); err != nil {
					t.Fatal(err)
				}
			}
			u := s.Since(l.Prefix, from)
			from = u.Revision + 1
			f := NewFold(l, im)
			for _, e := range u.Events {
				f.Add(e)
			}
			var err error
			if im, err = f.Image(u.Revision); err != nil {
				t.Fatal(err)
			}
			all = append(all, published{im, describe(im)})

			kvs, rev, err := s.List(context.Background(), l.Prefix)
			if err != nil {
				t.Fatal(err)
			}
			fresh, err := Load(l, kvs, rev)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := describe(im), describe(fresh); got != want {
				t.Fatalf("folded:\n%s\nread anew:\n%s", got, want)
			}
		}
		for _, p := range all {
			if describe(p.image) != p.told {
				t.Fatalf("image of revision %d has changed", p.image.Revision)
			}
		}
	})
}

// randomOps is one change such as brokers make.
func randomOps(t *rapid.T, s *store.Memory, l store.Keys) []store.Op {
	name := rapid.SampledFrom([]string{"a", "a.b", "b", "c_d", "z.z"}).Draw(t, "name")
	kv, _, err := s.Get(context.Background(), l.Topic(name))
	if err != nil {
		t.Fatal(err)
	}
	switch rapid.IntRange(0, 8).Draw(t, "kind") {
	case 0:
		id := protocol.BrokerID(rapid.IntRange(1, 3).Draw(t, "broker"))
		b := Broker{ID: id, DirectoryID: fmt.Sprint("dir-", id)}
		return []store.Op{
			store.Put(l.Broker(id), store.Encode(b.Value())),
			store.Put(l.Directory(id), store.Encode(store.DirectoryValue{Directory: rapid.SampledFrom([]string{b.DirectoryID, "other"}).Draw(t, "directory")})),
		}
	case 1:
		id := protocol.BrokerID(rapid.IntRange(1, 3).Draw(t, "broker"))
		return []store.Op{store.Delete(l.Broker(id)), store.Put(l.Leaving(id), nil)}
	case 4:
		id, by := protocol.BrokerID(rapid.IntRange(1, 3).Draw(t, "broker")), protocol.BrokerID(rapid.IntRange(1, 3).Draw(t, "by"))
		return []store.Op{rapid.SampledFrom([]store.Op{store.Put(l.Suspect(id, by), []byte(`{"incarnation":5}`)), store.Delete(l.Suspect(id, by))}).Draw(t, "suspicion")}
	case 2:
		id := protocol.BrokerID(rapid.IntRange(1, 3).Draw(t, "broker"))
		return []store.Op{store.Put(l.BrokerConfig(id), []byte(`{"log.retention.ms":"1"}`)), store.Put(l.ClusterConfig(), []byte(`{}`)), store.Delete(l.Controller()),
			rapid.SampledFrom([]store.Op{store.Put(l.GroupConfig("g"), []byte(`{"consumer.session.timeout.ms":"50000"}`)), store.Delete(l.GroupConfig("g"))}).Draw(t, "group")}
	case 8:
		r := acl.Rule{
			Resource:  acl.Resource{Type: acl.TypeTopic, Pattern: acl.PatternPrefixed, Name: rapid.SampledFrom([]string{"a", "ab", "b"}).Draw(t, "prefix")},
			Principal: "User:bob", Host: "*", Operation: acl.OpRead, Permission: acl.Allow,
		}
		return []store.Op{rapid.SampledFrom([]store.Op{store.Put(l.ACL(r.ID()), store.Encode(ACLValue(r))), store.Delete(l.ACL(r.ID()))}).Draw(t, "acl")}
	case 3:
		return []store.Op{store.Delete(l.BrokerConfig(1)), store.Put(l.Controller(), []byte(`{"broker":2}`))}
	}
	if kv.ModRevision == 0 {
		return []store.Op{store.Put(l.Topic(name), store.Encode(randomTopic(t, name).Value()))}
	}
	v, err := store.Decode[store.TopicValue](kv)
	if err != nil {
		t.Fatal(err)
	}
	topic, err := topicOf(&v, kv.ModRevision)
	if err != nil {
		t.Fatal(err)
	}
	switch rapid.IntRange(0, 4).Draw(t, "topic change") {
	case 0:
		return []store.Op{store.Delete(l.Topic(name)), store.DeletePrefix(l.Partitions(topic.ID))}
	case 1:
		v.Configs = map[string]string{"flush.ms": fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "ms"))}
		return []store.Op{store.Put(l.Topic(name), store.Encode(v))}
	case 2:
		v.Replicas = append(v.Replicas, []protocol.BrokerID{2})
		return []store.Op{store.Put(l.Topic(name), store.Encode(v))}
	}
	p := rapid.SampledFrom(topic.Partitions).Draw(t, "partition")
	p.LeaderEpoch = protocol.LeaderEpoch(rapid.Int32Range(0, 9).Draw(t, "epoch"))
	return []store.Op{store.Put(l.Partition(topic.ID, p.Index), store.Encode(p.Value()))}
}

func randomTopic(t *rapid.T, name string) *Topic {
	id := protocol.TopicID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	n := rapid.IntRange(1, 4).Draw(t, "partitions")
	replicas := make([][]protocol.BrokerID, n)
	for i := range replicas {
		replicas[i] = []protocol.BrokerID{1, 2}
	}
	made := Assignment{Replicas: replicas}
	return &Topic{Name: name, ID: id, Partitions: made.Partitions(), Made: made}
}

// describe tells all that an image says, and checks that it says it in order.
func describe(im *Image) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "revision %d cluster %q controller %d partitions %d\n", im.Revision, im.ClusterID, im.Controller, im.PartitionCount())
	fmt.Fprintf(&b, "brokers %+v leaving %v directories %v suspects %v\nconfigs %v", im.Brokers(), im.leaving, im.directories, im.suspects, im.ClusterConfigs())
	for id := range protocol.BrokerID(4) {
		fmt.Fprintf(&b, " %d:%v", id, im.BrokerConfigs(id))
	}
	fmt.Fprintf(&b, " groups %v", im.groupConfigs)
	every := acl.Filter{Type: acl.TypeAny, Pattern: acl.PatternAny, Operation: acl.OpAny, Permission: acl.PermissionAny}
	fmt.Fprintf(&b, " acls %v of %d", im.ACLs().Find(&every), im.ACLs().Size())
	last := ""
	for _, t := range im.Topics() {
		byName, _ := im.Topic(t.Name)
		byID, _ := im.TopicByID(t.ID)
		if t.Name <= last || byName != t || byID != t {
			fmt.Fprintf(&b, "\nOUT OF ORDER")
		}
		last = t.Name
		fmt.Fprintf(&b, "\n%s %s %d %v %+v", t.Name, t.ID, t.Revision, t.Configs, t.Partitions)
	}
	if len(im.topicsByID) != len(im.topics) {
		fmt.Fprintf(&b, "\nOUT OF STEP")
	}
	return b.String()
}

// Whatever stands in the store, folding it does not panic, and keys that we
// write are read back as what they are.
func FuzzFold(f *testing.F) {
	f.Add("format", []byte(`{"version":1,"clusterId":"x"}`))
	f.Add("brokers/1", []byte(`{"endpoints":[{"name":"a","host":"b","port":1}]}`))
	f.Add("topics/t", []byte(`{"name":"t","id":"AAAAAAAAAAAAAAAAAAAAAA","replicas":[[1],[]]}`))
	f.Add("partitions/AAAAAAAAAAAAAAAAAAAAAA/0", []byte(`{"leader":1,"isr":[1]}`))
	f.Add("partitions/AAAAAAAAAAAAAAAAAAAAAA/-1", []byte(`{}`))
	f.Add("configs/brokers/1", []byte(`{"a":"b"}`))
	f.Add("configs/cluster", []byte(`null`))
	f.Add("configs/groups/g", []byte(`{"a":1}`))
	f.Add("controller", []byte(`{"broker":1}`))
	f.Add("directories/1", []byte(`{"directory":"a"}`))
	f.Add("leaving/1", []byte(`{}`))
	f.Add("acls/00000000000000000000000000000000", []byte(`{"type":2,"pattern":3,"name":"a","principal":"User:b","host":"*","operation":3,"permission":3}`))
	l := store.Keys{Prefix: "/"}
	topic := store.KeyValue{Key: "/topics/t", ModRevision: 1, Value: []byte(`{"name":"t","id":"AAAAAAAAAAAAAAAAAAAAAA","replicas":[[1],[2]]}`)}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		kv := store.KeyValue{Key: "/" + key, Value: value, ModRevision: 2}
		base, err := Load(l, []store.KeyValue{topic}, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, deleted := range []bool{false, true} {
			fold := NewFold(l, base)
			fold.Add(store.Event{KV: kv, Deleted: deleted})
			if im, _ := fold.Image(2); im == nil || len(im.Topics()) != len(im.topicsByID) {
				t.Fatalf("image %+v", im)
			}
		}
	})
}
