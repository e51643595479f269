package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/image"
)

// reassignRequest asks for new replicas of the first partitions of a topic;
// nil cancels.
func reassignRequest(topic string, replicas ...[]int32) *kmsg.AlterPartitionAssignmentsRequest {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	rt := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	rt.Topic = topic
	for i, r := range replicas {
		rt.Partitions = append(rt.Partitions, kmsg.AlterPartitionAssignmentsRequestTopicPartition{Partition: int32(i), Replicas: r})
	}
	req.Topics = append(req.Topics, rt)
	return req
}

// told are the codes of the partitions of the first topic.
func told(resp *kmsg.AlterPartitionAssignmentsResponse) (codes []int16) {
	for _, p := range resp.Topics[0].Partitions {
		codes = append(codes, p.ErrorCode)
	}
	return codes
}

// at is a partition as a broker's image has it.
func (ps *peers) at(p *peer, topic string, index int32) image.Partition {
	it, ok := p.cluster.Image().Topic(topic)
	if !ok {
		return image.Partition{}
	}
	return it.Partitions[index]
}

// A partition with records moves to two other brokers, byte for byte, and its
// old broker keeps nothing of it.
func TestAPartitionMovesToOtherBrokers(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("moves", 1, 1)
	cl := ps.client()
	for i := range 20 {
		r := &kgo.Record{Topic: "moves", Value: fmt.Appendf(nil, "%d", i)}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	before := logBytes(t, ps.partition(1, "moves", 0))
	dir := ps.all[1].hosted.Dir(ps.all[1].hosted.Topic("moves"), 0)

	w := dial(t, ps.all[3].Addr(""))
	if codes := told(ask[*kmsg.AlterPartitionAssignmentsResponse](w, 0, reassignRequest("moves", []int32{2, 3}))); codes[0] != 0 {
		t.Fatalf("codes %v", codes)
	}
	ps.await("the move to end", func() bool {
		p := ps.at(ps.all[2], "moves", 0)
		return len(p.Adding)+len(p.Removing) == 0 && len(p.ISR) == 2 && p.Leader == 2
	})
	list := kmsg.NewPtrListPartitionReassignmentsRequest()
	ps.await("nothing to be listed", func() bool {
		return len(ask[*kmsg.ListPartitionReassignmentsResponse](w, 0, list).Topics) == 0
	})
	ps.awaitEqual("moves", 0, 2, 3)
	if got := logBytes(t, ps.partition(2, "moves", 0)); string(got) != string(before) {
		t.Fatalf("%d bytes became %d others", len(before), len(got))
	}
	ps.await("the old replica to be gone", func() bool {
		return ps.all[1].hosted.Topic("moves").Partition(0) == nil && missing(dir)
	})
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "moves", Value: []byte("after")}).FirstErr(); err != nil {
		t.Fatalf("produce after the move: %v", err)
	}
}

// leaderRequest asks for preferred leaders of partitions of a topic.
func leaderRequest(kind int8, topic string, partitions ...int32) *kmsg.ElectLeadersRequest {
	req := kmsg.NewPtrElectLeadersRequest()
	req.ElectionType = kind
	req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: topic, Partitions: partitions}}
	return req
}

// What cannot be is refused, each partition with its own code.
func TestMovesThatCannotBeAreRefused(t *testing.T) {
	ps := startPeers(t, 2)
	ps.create("stays", 4, 1, 2)
	w := dial(t, ps.all[1].Addr(""))
	resp := ask[*kmsg.AlterPartitionAssignmentsResponse](w, 0, reassignRequest("stays", nil, []int32{2, 2}, []int32{1, 9}, []int32{}, []int32{1}))
	invalid := kerr.InvalidReplicaAssignment.Code
	if want := []int16{kerr.NoReassignmentInProgress.Code, invalid, invalid, invalid, kerr.UnknownTopicOrPartition.Code}; !slices.Equal(told(resp), want) {
		t.Fatalf("codes %v, want %v", told(resp), want)
	}
	twice := reassignRequest("stays", []int32{1})
	twice.Topics = append(twice.Topics, reassignRequest("stays", []int32{2}).Topics...)
	if codes := told(ask[*kmsg.AlterPartitionAssignmentsResponse](w, 0, twice)); codes[0] != kerr.InvalidRequest.Code {
		t.Fatalf("a partition that is named twice: codes %v", codes)
	}
	if p := ps.at(ps.all[1], "stays", 0); !slices.Equal(brokerIDs(p.Replicas), []int32{1, 2}) || p.PartitionEpoch != 0 {
		t.Fatalf("it is %+v", p)
	}
}

// A move to a broker whose disk refuses the log is listed until it is taken
// back; the partition is written all the while.
func TestAMoveIsListedUntilItIsCancelled(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("stuck", 1, 1, 2)
	hosted := ps.all[3].hosted
	ps.await("broker 3 to know the topic", func() bool { return hosted.Topic("stuck") != nil })
	dir := hosted.Dir(hosted.Topic("stuck"), 0)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, []byte("in the way"), 0o644); err != nil {
		t.Fatal(err)
	}
	cl, w := ps.client(), dial(t, ps.all[2].Addr(""))
	if codes := told(ask[*kmsg.AlterPartitionAssignmentsResponse](w, 0, reassignRequest("stuck", []int32{1, 3}))); codes[0] != 0 {
		t.Fatalf("codes %v", codes)
	}
	write(t, cl, "stuck", 0, 1000)
	list := kmsg.NewPtrListPartitionReassignmentsRequest()
	list.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: "stuck", Partitions: []int32{0, 1}}, {Topic: "unheard-of", Partitions: []int32{0}}}
	resp := ask[*kmsg.ListPartitionReassignmentsResponse](w, 0, list)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		t.Fatalf("listed: %+v", resp.Topics)
	}
	if p := resp.Topics[0].Partitions[0]; !slices.Equal(p.Replicas, []int32{1, 3, 2}) || !slices.Equal(p.AddingReplicas, []int32{3}) || !slices.Equal(p.RemovingReplicas, []int32{2}) {
		t.Fatalf("listed: %+v", p)
	}
	ps.await("broker 3 to say why", func() bool { return len(ps.all[3].unserved()) == 1 })
	if codes := told(ask[*kmsg.AlterPartitionAssignmentsResponse](w, 0, reassignRequest("stuck", nil))); codes[0] != 0 {
		t.Fatalf("codes %v", codes)
	}
	ps.await("broker 3 to be rid of it", func() bool { return len(ps.all[3].unserved()) == 0 && missing(dir) })
	if p := ps.at(ps.all[2], "stuck", 0); len(p.Adding)+len(p.Removing) > 0 || !slices.Equal(brokerIDs(p.Replicas), []int32{1, 2}) {
		t.Fatalf("it is %+v", p)
	}
	write(t, cl, "stuck", 0, 2000)
	ps.awaitEqual("stuck", 0, 1, 2)
}

// Leadership goes back to the preferred replica when it is asked for, and an
// unclean election changes nothing that a clean one would not.
func TestPreferredLeadersAreElectedWhenAsked(t *testing.T) {
	ps := startPeers(t, 2)
	ps.create("led", 2, 1, 2)
	ps.halt(1)
	ps.await("broker 2 to lead", func() bool { return ps.at(ps.all[2], "led", 0).Leader == 2 })
	w := dial(t, ps.all[2].Addr(""))
	elect := func(req *kmsg.ElectLeadersRequest) (codes []int16) {
		for _, rt := range ask[*kmsg.ElectLeadersResponse](w, 2, req).Topics {
			for _, p := range rt.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
		return codes
	}
	unavailable, unknown := kerr.PreferredLeaderNotAvailable.Code, kerr.UnknownTopicOrPartition.Code
	if codes := elect(leaderRequest(electPreferred, "led", 0, 7)); !slices.Equal(codes, []int16{unknown, unavailable}) {
		t.Fatalf("without broker 1: codes %v", codes)
	}
	if codes := elect(leaderRequest(electUnclean, "led", 0)); !slices.Equal(codes, []int16{kerr.ElectionNotNeeded.Code}) {
		t.Fatalf("unclean: codes %v", codes)
	}
	if code := ask[*kmsg.ElectLeadersResponse](w, 2, leaderRequest(3, "led", 0)).ErrorCode; code != kerr.InvalidRequest.Code {
		t.Fatalf("a type that does not exist: code %d", code)
	}
	ps.restart(1)
	for i := range int32(2) {
		ps.awaitInSync("led", i, 1)
	}
	if codes := elect(leaderRequest(electPreferred, "led", 0)); !slices.Equal(codes, []int16{0}) {
		t.Fatalf("with broker 1: codes %v", codes)
	}
	if codes := elect(&kmsg.ElectLeadersRequest{TimeoutMillis: 5000}); !slices.Equal(codes, []int16{0}) {
		t.Fatalf("all that need it: codes %v", codes)
	}
	for i := range int32(2) {
		ps.await("broker 1 to lead", func() bool { return ps.at(ps.all[2], "led", i).Leader == 1 })
	}
}
