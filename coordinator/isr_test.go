package coordinator

import (
	"testing"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/protocol"
)

// alterISR waits for the outcome of a change.
func alterISR(c *runs, id protocol.TopicPartition, ch protocol.ISRChange) bool {
	answer := make(chan bool, 1)
	c.AlterISR(id, ch, func(ok bool) { answer <- ok })
	return <-answer
}

// twoBrokers are two of a cluster, and a topic of theirs that 1 leads.
func twoBrokers(t *testing.T) (a, b *runs, id protocol.TopicPartition) {
	s, _ := newMem(t)
	a = join(t, Options{Store: s, Self: broker(1)})
	b = join(t, Options{Store: s, Self: broker(2)})
	a.eventually(t, func(im *image.Image) bool { return len(im.Brokers()) == 2 })
	topic, err := a.CreateTopic(background(t), plan.NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: map[int32][]protocol.BrokerID{0: {1, 2}}}, false)
	noError(t, err)
	return a, b, protocol.TopicPartition{Topic: topic.ID}
}

// partition is the partition as the image has it.
func (r *runs) partition(t *testing.T, id protocol.TopicPartition) image.Partition {
	t.Helper()
	_, p, ok := r.Image().Partition(id)
	if !ok {
		t.Fatalf("there is no partition %s", id)
	}
	return *p
}

func TestATopicAsMadeKnowsTheBrokerEpochsOfItsMembers(t *testing.T) {
	a, b, id := twoBrokers(t)
	p := a.partition(t, id)
	if p.Leader != 1 || p.LeaderEpoch != 0 || len(p.ISR) != 2 || p.ISR[0].BrokerEpoch != a.BrokerEpoch() || p.ISR[1].BrokerEpoch != b.BrokerEpoch() || p.Revision != 0 {
		t.Fatalf("partition %+v", p)
	}
}

// A leader shrinks the ISR and takes the follower in again, each by the epochs it saw.
func TestTheISRChangesOnlyByTheEpochsItWasDecidedFrom(t *testing.T) {
	a, b, id := twoBrokers(t)
	one, two := asMember(1, a), asMember(2, b)
	shrink := protocol.ISRChange{ISR: protocol.Members{one}}
	if !alterISR(a, id, shrink) {
		t.Fatal("the shrink was refused")
	}
	if p := a.partition(t, id); len(p.ISR) != 1 || p.ISR[0].BrokerEpoch != one.BrokerEpoch || p.PartitionEpoch != 1 || p.LeaderEpoch != 0 {
		t.Fatalf("partition %+v", p)
	}
	grow := protocol.ISRChange{PartitionEpoch: 1, ISR: protocol.Members{one, two}, Added: protocol.Members{two}}
	for what, bad := range map[string]protocol.ISRChange{
		"an older partition epoch":    shrink,
		"another leader epoch":        {LeaderEpoch: 1, PartitionEpoch: 1, ISR: protocol.Members{one}},
		"nobody":                      {PartitionEpoch: 1},
		"without the leader":          {PartitionEpoch: 1, ISR: protocol.Members{two}, Added: protocol.Members{two}},
		"one who is no replica":       {PartitionEpoch: 1, ISR: protocol.Members{one, {ID: 3, BrokerEpoch: 999}}, Added: protocol.Members{{ID: 3, BrokerEpoch: 999}}},
		"one in another epoch":        {PartitionEpoch: 1, ISR: protocol.Members{one, {ID: 2, BrokerEpoch: 999}}, Added: protocol.Members{{ID: 2, BrokerEpoch: 999}}},
		"one who is not said to come": {PartitionEpoch: 1, ISR: protocol.Members{one, two}},
		"one twice":                   {PartitionEpoch: 1, ISR: protocol.Members{one, one}},
		"itself in another epoch":     {PartitionEpoch: 1, ISR: protocol.Members{{ID: 1, BrokerEpoch: 999}}},
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
	if p := a.partition(t, id); len(p.ISR) != 2 || p.ISR[1].BrokerEpoch != two.BrokerEpoch || p.PartitionEpoch != 2 {
		t.Fatalf("partition %+v", p)
	}
}
