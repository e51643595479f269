package coordinator

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
	"github.com/lockstep-log/lockstep/coordinator/store/storetest"
	"github.com/lockstep-log/lockstep/protocol"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		runChild()
		return
	}
	// Most of the time is spent waiting, for etcd's elections above all.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	storetest.RunAndVerifyNoLeaks(m)
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

const patience = storetest.Patience

var (
	background = storetest.Background
	noError    = storetest.NoError
	wantError  = storetest.WantError
)

// clock is a clock that the test moves.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// newMem is a store whose leases never lapse by themselves.
func newMem(t *testing.T) (*store.Memory, *clock) {
	c := new(clock)
	s := store.NewMemory(c.now)
	t.Cleanup(func() { noError(t, s.Close()) })
	return s, c
}

func startEmbedded(t *testing.T, o etcd.EmbeddedOptions) *etcd.Embedded {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "etcd")
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	e, err := etcd.StartEmbedded(background(t), o)
	noError(t, err)
	return e
}

func broker(id protocol.BrokerID) image.Broker {
	return image.Broker{ID: id, Endpoints: []image.Endpoint{{Name: "PLAINTEXT", Host: "localhost", Port: 9092}}, DirectoryID: "dir-" + string('a'+rune(id))}
}

// runs is a Cluster and its Run.
type runs struct {
	*Cluster
	done chan error
}

func openCluster(t *testing.T, o Options) *runs {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet
	}
	c, err := Open(background(t), o)
	noError(t, err)
	r := &runs{Cluster: c, done: make(chan error, 1)}
	go func() { r.done <- c.Run(context.Background()) }()
	return r
}

// join opens a cluster, registers the broker, and closes it at the end of the test.
func join(t *testing.T, o Options) *runs {
	t.Helper()
	r := openCluster(t, o)
	t.Cleanup(func() { r.leave(t) })
	noError(t, r.Register(background(t), Registration{}))
	return r
}

func (r *runs) leave(t *testing.T) {
	t.Helper()
	noError(t, r.Close(background(t)))
	select {
	case err := <-r.done:
		noError(t, err)
		r.done <- nil
	case <-time.After(patience):
		t.Fatal("Run did not end")
	}
}

// kill ends a cluster as a crash would: Run stops, the registration stays.
func (r *runs) kill(t *testing.T) {
	t.Helper()
	r.stop()
	noError(t, <-r.done)
	r.done <- nil
	r.session.lease.Store(0)
}

// eventually waits until the image is as wanted.
func (r *runs) eventually(t *testing.T, good func(*image.Image) bool) {
	t.Helper()
	if err := r.awaitImage(background(t), good); err != nil {
		t.Fatalf("the image did not become as wanted: %v; %+v", err, r.Image())
	}
}

func create(t *testing.T, c *runs, name string, partitions int32) *image.Topic {
	t.Helper()
	topic, err := c.CreateTopic(background(t), plan.NewTopic{Name: name, Partitions: partitions, ReplicationFactor: 1}, false)
	noError(t, err)
	return topic
}

func names(im *image.Image) []string {
	var all []string
	for _, t := range im.Topics() {
		all = append(all, t.Name)
	}
	return all
}

func TestNewClusterHasAnIDThatStays(t *testing.T) {
	s, _ := newMem(t)
	a := openCluster(t, Options{Store: s, Self: broker(1)})
	id := a.Image().ClusterID
	a.leave(t)
	if len(id) != 22 || id[0] == '-' {
		t.Fatalf("cluster id %q", id)
	}
	b := openCluster(t, Options{Store: s, Self: broker(1), ExpectClusterID: id})
	defer b.leave(t)
	if got := b.Image().ClusterID; got != id {
		t.Fatalf("cluster id %s became %s", id, got)
	}
}

func TestBrokersThatFoundAClusterAtOnceAgreeOnOne(t *testing.T) {
	s, _ := newMem(t)
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			c, err := Open(context.Background(), Options{Store: s, Self: broker(protocol.BrokerID(i)), Logger: quiet})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = c.Image().ClusterID
			if err := c.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(slices.Compact(ids)) != 1 {
		t.Fatalf("cluster ids %v", ids)
	}
}

func TestStoreOfAnotherClusterIsRefused(t *testing.T) {
	s, _ := newMem(t)
	_, err := Open(background(t), Options{Store: s, Self: broker(1), ExpectClusterID: "AAAAAAAAAAAAAAAAAAAAAA"})
	wantError(t, err, image.ErrClusterMismatch) // the store is empty
	openCluster(t, Options{Store: s, Self: broker(1)}).leave(t)
	_, err = Open(background(t), Options{Store: s, Self: broker(1), ExpectClusterID: "AAAAAAAAAAAAAAAAAAAAAA"})
	wantError(t, err, image.ErrClusterMismatch)
}

func TestStoreOfANewerVersionIsRefused(t *testing.T) {
	s, _ := newMem(t)
	_, _, err := s.Txn(background(t), nil, []store.Op{store.Put("/lockstep/format", store.Encode(store.FormatValue{Version: store.FormatVersion + 1, ClusterID: "x"}))})
	noError(t, err)
	_, err = Open(background(t), Options{Store: s, Self: broker(1)})
	wantError(t, err, image.ErrNewerFormat)
}

func TestChangesShowInTheOwnImageWhenTheyReturn(t *testing.T) {
	s, _ := newMem(t)
	c := join(t, Options{Store: s, Self: broker(1)})
	ctx := background(t)

	if b, ok := c.Image().Broker(1); !ok || b.Epoch == 0 || b.Endpoints[0].Port != 9092 {
		t.Fatalf("broker %+v", b)
	}
	made := create(t, c, "orders", 3)
	shown, ok := c.Image().TopicByID(made.ID)
	if !ok || shown != made || len(shown.Partitions) != 3 {
		t.Fatalf("topic %+v", shown)
	}
	if p := shown.Partitions[2]; p.Index != 2 || p.Leader != 1 || p.LeaderEpoch != 0 || !slices.Equal(p.ISR.IDs(), []protocol.BrokerID{1}) {
		t.Fatalf("partition %+v", p)
	}
	noError(t, c.CreatePartitions(ctx, "orders", 5, nil, false))
	if shown, _ = c.Image().Topic("orders"); len(shown.Partitions) != 5 || c.Image().PartitionCount() != 5 {
		t.Fatalf("%d partitions", len(shown.Partitions))
	}
	noError(t, c.AlterTopicConfigs(ctx, "orders", ConfigChange{Set: map[string]string{"retention.ms": "1000", "segment.bytes": "2048"}}))
	noError(t, c.AlterTopicConfigs(ctx, "orders", ConfigChange{Set: map[string]string{"retention.ms": "2000"}, Unset: []string{"segment.bytes"}}))
	if shown, _ = c.Image().Topic("orders"); len(shown.Configs) != 1 || shown.Configs["retention.ms"] != "2000" {
		t.Fatalf("configs %v", shown.Configs)
	}
	noError(t, c.AlterTopicConfigs(ctx, "orders", ConfigChange{Set: map[string]string{"flush.ms": "9"}, ReplaceAll: true}))
	if shown, _ = c.Image().Topic("orders"); len(shown.Configs) != 1 || shown.Configs["flush.ms"] != "9" {
		t.Fatalf("configs %v", shown.Configs)
	}
	noError(t, c.AlterClusterConfigs(ctx, ConfigChange{Set: map[string]string{"log.retention.hours": "2"}}))
	noError(t, c.AlterBrokerConfigs(ctx, 1, ConfigChange{Set: map[string]string{"log.retention.ms": "3"}}))
	if c.Image().ClusterConfigs()["log.retention.hours"] != "2" || c.Image().BrokerConfigs(1)["log.retention.ms"] != "3" {
		t.Fatalf("image %+v", c.Image())
	}
	noError(t, c.DeleteTopicByID(ctx, made.ID))
	if _, ok := c.Image().Topic("orders"); ok || c.Image().PartitionCount() != 0 {
		t.Fatal("the topic is still there")
	}
}

func TestValidateOnlyChangesNothing(t *testing.T) {
	s, _ := newMem(t)
	c := join(t, Options{Store: s, Self: broker(1)})
	ctx := background(t)
	create(t, c, "t", 1)
	before := c.Image()

	would, err := c.CreateTopic(ctx, plan.NewTopic{Name: "u", Partitions: 4, ReplicationFactor: 1}, true)
	noError(t, err)
	if len(would.Partitions) != 4 || !would.ID.IsZero() {
		t.Fatalf("topic %+v", would)
	}
	noError(t, c.CreatePartitions(ctx, "t", 2, nil, true))
	noError(t, c.AlterTopicConfigs(ctx, "t", ConfigChange{Set: map[string]string{"flush.ms": "9"}, ValidateOnly: true}))
	noError(t, c.AlterClusterConfigs(ctx, ConfigChange{Set: map[string]string{"log.retention.ms": "9"}, ValidateOnly: true}))
	_, err = c.CreateTopic(ctx, plan.NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1}, true)
	wantError(t, err, refusal.ErrTopicExists)
	if after := c.Image(); after != before {
		t.Fatalf("image of revision %d became one of %d", before.Revision, after.Revision)
	}
}

func TestWhatCannotBeIsRefusedByKind(t *testing.T) {
	s, _ := newMem(t)
	c := join(t, Options{Store: s, Self: broker(1), Limits: plan.Limits{MaxPartitionsPerTopic: 10, MaxPartitions: 15}})
	ctx := background(t)
	create(t, c, "a.b", 2)

	for _, refused := range []struct {
		topic plan.NewTopic
		want  error
	}{
		{plan.NewTopic{Name: "a.b", Partitions: 1, ReplicationFactor: 1}, refusal.ErrTopicExists},
		{plan.NewTopic{Name: "a_b", Partitions: 1, ReplicationFactor: 1}, refusal.ErrInvalidTopicName},
		{plan.NewTopic{Name: "", Partitions: 1, ReplicationFactor: 1}, refusal.ErrInvalidTopicName},
		{plan.NewTopic{Name: "..", Partitions: 1, ReplicationFactor: 1}, refusal.ErrInvalidTopicName},
		{plan.NewTopic{Name: "a/b", Partitions: 1, ReplicationFactor: 1}, refusal.ErrInvalidTopicName},
		{plan.NewTopic{Name: "ä", Partitions: 1, ReplicationFactor: 1}, refusal.ErrInvalidTopicName},
		{plan.NewTopic{Name: string(make([]byte, 250)), Partitions: 1, ReplicationFactor: 1}, refusal.ErrInvalidTopicName},
		{plan.NewTopic{Name: "t", Partitions: 0, ReplicationFactor: 1}, refusal.ErrInvalidPartitions},
		{plan.NewTopic{Name: "t", Partitions: -2, ReplicationFactor: 1}, refusal.ErrInvalidPartitions},
		{plan.NewTopic{Name: "t", Partitions: 11, ReplicationFactor: 1}, refusal.ErrInvalidPartitions},
		{plan.NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 0}, refusal.ErrInvalidReplicationFactor},
		{plan.NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 2}, refusal.ErrInvalidReplicationFactor},
		{plan.NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1, Configs: map[string]string{"retention.ms": "x"}}, refusal.ErrInvalidConfig},
		{plan.NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1, Configs: map[string]string{"nonsense": "1"}}, refusal.ErrInvalidConfig},
		{plan.NewTopic{Name: "t", Partitions: 1, ReplicationFactor: -1, Assignment: replicas(0, 1)}, refusal.ErrInvalidRequest},
		{plan.NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: replicas()}, refusal.ErrInvalidPartitions},
		{plan.NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: replicas(0, 2)}, refusal.ErrInvalidReplicaAssignment},
		{plan.NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: replicas(1, 1)}, refusal.ErrInvalidReplicaAssignment},
		{plan.NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: map[int32][]protocol.BrokerID{0: {1, 1}}}, refusal.ErrInvalidReplicaAssignment},
		{plan.NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: map[int32][]protocol.BrokerID{0: {}}}, refusal.ErrInvalidReplicaAssignment},
	} {
		_, err := c.CreateTopic(ctx, refused.topic, false)
		if !errors.Is(err, refused.want) {
			t.Errorf("%+v: error %v, want %v", refused.topic, err, refused.want)
		}
	}
	create(t, c, "full", 10)
	_, err := c.CreateTopic(ctx, plan.NewTopic{Name: "more", Partitions: 4, ReplicationFactor: 1}, false)
	wantError(t, err, refusal.ErrInvalidPartitions)

	wantError(t, c.CreatePartitions(ctx, "a.b", 2, nil, false), refusal.ErrInvalidPartitions)
	wantError(t, c.CreatePartitions(ctx, "a.b", 11, nil, false), refusal.ErrInvalidPartitions)
	wantError(t, c.CreatePartitions(ctx, "a.b", 3, [][]protocol.BrokerID{{1}, {1}}, false), refusal.ErrInvalidReplicaAssignment)
	wantError(t, c.CreatePartitions(ctx, "none", 3, nil, false), refusal.ErrUnknownTopic)
	wantError(t, c.DeleteTopic(ctx, "none"), refusal.ErrUnknownTopic)
	wantError(t, c.DeleteTopic(ctx, "a_b"), refusal.ErrUnknownTopic) // collides with one that is there
	wantError(t, c.DeleteTopicByID(ctx, protocol.TopicID{1}), refusal.ErrUnknownTopic)
	wantError(t, c.AlterTopicConfigs(ctx, "none", ConfigChange{}), refusal.ErrUnknownTopic)
	wantError(t, c.AlterTopicConfigs(ctx, "a.b", ConfigChange{Set: map[string]string{"flush.ms": "1"}, Unset: []string{"flush.ms"}}), refusal.ErrInvalidRequest)
	wantError(t, c.AlterClusterConfigs(ctx, ConfigChange{Set: map[string]string{"node.id": "4"}}), refusal.ErrInvalidRequest)
	wantError(t, c.AlterBrokerConfigs(ctx, -1, ConfigChange{}), refusal.ErrUnknownBroker)
	if got := names(c.Image()); !slices.Equal(got, []string{"a.b", "full"}) {
		t.Fatalf("topics %v", got)
	}
}

func replicas(indexThenBroker ...int) map[int32][]protocol.BrokerID {
	m := map[int32][]protocol.BrokerID{}
	for i := 0; i < len(indexThenBroker); i += 2 {
		m[int32(indexThenBroker[i])] = []protocol.BrokerID{protocol.BrokerID(indexThenBroker[i+1])}
	}
	return m
}

// A broker whose image lags must not refuse what the store would allow, nor
// allow what it would refuse.
func TestBrokersThatChangeTheSameThingTakeTurns(t *testing.T) {
	s, _ := newMem(t)
	a := join(t, Options{Store: s, Self: broker(1)})
	b := join(t, Options{Store: s, Self: broker(2)})
	ctx := background(t)
	for range 50 {
		create(t, a, "t", 1)
		noError(t, b.AlterTopicConfigs(ctx, "t", ConfigChange{Set: map[string]string{"flush.ms": "1"}}))
		noError(t, a.CreatePartitions(ctx, "t", 2, nil, false))
		_, err := b.CreateTopic(ctx, plan.NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1}, false)
		wantError(t, err, refusal.ErrTopicExists)
		noError(t, b.DeleteTopic(ctx, "t"))
	}
	create(t, b, "both", 1)
	var wg sync.WaitGroup
	for i, c := range []*runs{a, b} {
		wg.Go(func() {
			for n := range 20 {
				set := map[string]string{[]string{"flush.ms", "retention.ms"}[i]: string('0' + rune(n%10))}
				if err := c.AlterTopicConfigs(ctx, "both", ConfigChange{Set: set}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	a.eventually(t, func(im *image.Image) bool { return im.Revision >= b.Image().Revision })
	if topic, _ := a.Image().Topic("both"); topic.Configs["flush.ms"] != "9" || topic.Configs["retention.ms"] != "9" {
		t.Fatalf("configs %v", topic.Configs)
	}
}

func TestATopicMadeAgainHasAnotherIDAndNoOldState(t *testing.T) {
	s, _ := newMem(t)
	c := join(t, Options{Store: s, Self: broker(1)})
	ctx := background(t)
	first := create(t, c, "t", 2)
	partition := protocol.TopicPartition{Topic: first.ID, Index: 1}
	c.Resign(partition, c.BrokerEpoch())
	c.eventually(t, func(im *image.Image) bool { _, p, _ := im.Partition(partition); return p.LeaderEpoch == 1 })
	noError(t, c.CreatePartitions(ctx, "t", 3, nil, false))
	noError(t, c.AlterTopicConfigs(ctx, "t", ConfigChange{Set: map[string]string{"flush.ms": "1"}}))
	if now, _ := c.Image().Topic("t"); now.Partitions[1].LeaderEpoch != 1 || now.Partitions[1].PartitionEpoch != 1 {
		t.Fatalf("more partitions lost the state of one: %+v", now.Partitions)
	}
	noError(t, c.DeleteTopic(ctx, "t"))
	second := create(t, c, "t", 2)
	if second.ID == first.ID || second.Partitions[1].LeaderEpoch != 0 {
		t.Fatalf("topic %+v", second)
	}
	all, _, err := s.List(ctx, "/lockstep/partitions/")
	noError(t, err)
	if len(all) != 0 {
		t.Fatalf("left behind: %v", all)
	}
	if ok := alterISR(c, partition, protocol.ISRChange{LeaderEpoch: 1, PartitionEpoch: 1, ISR: protocol.Members{asMember(1, c)}}); ok {
		t.Fatal("the ISR of a topic that is gone was changed")
	}
}

func TestProducerIDsAreNeverGivenTwice(t *testing.T) {
	s, _ := newMem(t)
	a := join(t, Options{Store: s, Self: broker(1)})
	b := join(t, Options{Store: s, Self: broker(2)})
	var mu sync.Mutex
	given := make(map[protocol.ProducerID]bool)
	var wg sync.WaitGroup
	for _, c := range []*runs{a, b, a, b} {
		wg.Go(func() {
			for n := range int64(25) {
				first, err := c.AllocateProducerIDs(context.Background(), n+1)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i := range protocol.ProducerID(n + 1) {
					if given[first+i] {
						t.Errorf("producer id %d was given twice", first+i)
					}
					given[first+i] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	_, err := a.AllocateProducerIDs(context.Background(), 0)
	wantError(t, err, refusal.ErrInvalidRequest)
}

func TestChangedIsClosedOncePerImage(t *testing.T) {
	s, _ := newMem(t)
	c := join(t, Options{Store: s, Self: broker(1)})
	c.eventually(t, func(im *image.Image) bool { return im.Controller == 1 })
	changed := c.Changed()
	select {
	case <-changed:
		t.Fatal("closed without a change")
	default:
	}
	create(t, c, "t", 1)
	<-changed
}

func TestAnEmbeddedStoreKeepsEverythingOverRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	ctx := background(t)
	var clusterID string
	var ids []protocol.TopicID
	var pid protocol.ProducerID
	var epoch protocol.BrokerEpoch
	for round := range 3 {
		e, err := etcd.StartEmbedded(ctx, etcd.EmbeddedOptions{Dir: dir, Logger: quiet})
		noError(t, err)
		c := openCluster(t, Options{Store: e.Store(), Self: broker(1), ExpectClusterID: clusterID})
		noError(t, c.Register(ctx, Registration{}))

		im := c.Image()
		if round > 0 && im.ClusterID != clusterID {
			t.Fatalf("cluster id %s became %s", clusterID, im.ClusterID)
		}
		clusterID = im.ClusterID
		for _, id := range ids {
			if topic, ok := im.TopicByID(id); !ok || topic.Configs["flush.ms"] != "5" {
				t.Fatalf("round %d: topic %s is %+v", round, id, topic)
			}
		}
		if b, _ := im.Broker(1); b.Epoch <= epoch {
			t.Fatalf("broker epoch %d after %d", b.Epoch, epoch)
		} else {
			epoch = b.Epoch
		}
		first, err := c.AllocateProducerIDs(ctx, 10)
		noError(t, err)
		if round > 0 && first < pid+10 {
			t.Fatalf("producer id %d after %d", first, pid)
		}
		pid = first
		topic := create(t, c, "t"+string('0'+rune(round)), 1)
		noError(t, c.AlterTopicConfigs(ctx, topic.Name, ConfigChange{Set: map[string]string{"flush.ms": "5"}}))
		ids = append(ids, topic.ID)

		if round == 0 {
			c.leave(t)
		} else {
			c.kill(t) // the registration is still there at the next start
		}
		noError(t, e.Close())
	}
}

// Goal: settings of groups are kept as long as any is set, for groups that are
// there or not, and within the brokers' bounds.
func TestGroupsHaveSettingsOfTheirOwn(t *testing.T) {
	s, _ := newMem(t)
	c := join(t, Options{Store: s, Self: broker(1)})
	other := join(t, Options{Store: s, Self: broker(2)})
	ctx := background(t)
	layers := []settings.Layer{{Source: settings.FromStatic, Values: map[string]string{"group.consumer.max.session.timeout.ms": "70000"}}}
	alterGroup := func(group string, set map[string]string, unset ...string) error {
		return c.AlterGroupConfigs(ctx, group, ConfigChange{Set: set, Unset: unset}, layers)
	}
	noError(t, alterGroup("a/b", map[string]string{"consumer.session.timeout.ms": "65000"}))
	noError(t, alterGroup("a/b", map[string]string{"consumer.heartbeat.interval.ms": "6000"}))
	noError(t, alterGroup("g", map[string]string{"consumer.heartbeat.interval.ms": "7000"}))
	before := c.Image()
	if got := before.ConfiguredGroups(); !slices.Equal(got, []string{"a/b", "g"}) || len(before.GroupConfigs("a/b")) != 2 {
		t.Fatalf("groups %v, settings %v", got, before.GroupConfigs("a/b"))
	}
	wantError(t, alterGroup("g", map[string]string{"consumer.session.timeout.ms": "70001"}), refusal.ErrInvalidConfig)
	wantError(t, alterGroup("g", map[string]string{"retention.ms": "1"}), refusal.ErrInvalidConfig)
	wantError(t, alterGroup("", nil), refusal.ErrInvalidRequest)
	noError(t, c.AlterGroupConfigs(ctx, "h", ConfigChange{Set: map[string]string{"consumer.heartbeat.interval.ms": "7000"}, ValidateOnly: true}, layers))
	noError(t, alterGroup("nobody", nil, "consumer.heartbeat.interval.ms"))
	if !c.Image().SameGroupConfigs(before) {
		t.Fatalf("refused and empty changes made %v", c.Image().ConfiguredGroups())
	}
	noError(t, alterGroup("g", nil, "consumer.heartbeat.interval.ms"))
	if c.Image().SameGroupConfigs(before) || !slices.Equal(c.Image().ConfiguredGroups(), []string{"a/b"}) {
		t.Fatalf("groups %v", c.Image().ConfiguredGroups())
	}
	other.eventually(t, func(im *image.Image) bool { return im.SameGroupConfigs(c.Image()) })
}
