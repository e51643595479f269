package coordinator

import (
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
)

// alterISR waits for the outcome of a change.
func alterISR(c *runs, id protocol.TopicPartition, ch ISRChange) bool {
	answer := make(chan bool, 1)
	c.AlterISR(id, ch, func(ok bool) { answer <- ok })
	return <-answer
}

// twoBrokers are two of a cluster, and a topic of theirs that 1 leads.
func twoBrokers(t *testing.T) (a, b *runs, id protocol.TopicPartition) {
	s, _ := newMem(t)
	a = join(t, Options{Store: s, Self: broker(1)})
	b = join(t, Options{Store: s, Self: broker(2)})
	a.eventually(t, func(im *Image) bool { return len(im.Brokers()) == 2 })
	topic, err := a.CreateTopic(background(t), NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: map[int32][]protocol.BrokerID{0: {1, 2}}}, false)
	noError(t, err)
	return a, b, protocol.TopicPartition{Topic: topic.ID}
}

// partition is the partition as the image has it.
func (r *runs) partition(t *testing.T, id protocol.TopicPartition) Partition {
	t.Helper()
	_, p, ok := r.Image().Partition(id)
	if !ok {
		t.Fatalf("there is no partition %s", id)
	}
	return *p
}

func TestATopicAsMadeKnowsTheLivesOfItsMembers(t *testing.T) {
	a, b, id := twoBrokers(t)
	p := a.partition(t, id)
	if p.Leader != 1 || p.LeaderEpoch != 0 || len(p.Joined) != 2 || p.Joined[0] != a.Incarnation() || p.Joined[1] != b.Incarnation() || p.stateRevision != 0 {
		t.Fatalf("partition %+v", p)
	}
}

// A leader shrinks the ISR and takes the follower in again, each by the epochs it saw.
func TestTheISRChangesOnlyByTheEpochsItWasDecidedFrom(t *testing.T) {
	a, b, id := twoBrokers(t)
	one, two := Member{1, a.Incarnation()}, Member{2, b.Incarnation()}
	shrink := ISRChange{ISR: []Member{one}}
	if !alterISR(a, id, shrink) {
		t.Fatal("the shrink was refused")
	}
	if p := a.partition(t, id); len(p.ISR) != 1 || p.Joined[0] != one.Incarnation || p.PartitionEpoch != 1 || p.LeaderEpoch != 0 {
		t.Fatalf("partition %+v", p)
	}
	grow := ISRChange{PartitionEpoch: 1, ISR: []Member{one, two}, Added: []Member{two}}
	for what, bad := range map[string]ISRChange{
		"an older partition epoch":    shrink,
		"another leader epoch":        {LeaderEpoch: 1, PartitionEpoch: 1, ISR: []Member{one}},
		"nobody":                      {PartitionEpoch: 1},
		"without the leader":          {PartitionEpoch: 1, ISR: []Member{two}, Added: []Member{two}},
		"one who is no replica":       {PartitionEpoch: 1, ISR: []Member{one, {3, 999}}, Added: []Member{{3, 999}}},
		"one in another life":         {PartitionEpoch: 1, ISR: []Member{one, {2, 999}}, Added: []Member{{2, 999}}},
		"one who is not said to come": {PartitionEpoch: 1, ISR: []Member{one, two}},
		"one twice":                   {PartitionEpoch: 1, ISR: []Member{one, one}},
		"itself in another life":      {PartitionEpoch: 1, ISR: []Member{{1, 999}}},
	} {
		if alterISR(a, id, bad) {
			t.Errorf("an ISR of %s was taken", what)
		}
	}
	if alterISR(b, id, grow) {
		t.Fatal("who does not lead changed the ISR")
	}
	if !alterISR(a, id, grow) {
		t.Fatal("the follower was not taken in")
	}
	if p := a.partition(t, id); len(p.ISR) != 2 || p.Joined[1] != two.Incarnation || p.PartitionEpoch != 2 {
		t.Fatalf("partition %+v", p)
	}
}
