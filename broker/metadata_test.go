package broker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestMetadataFindsTopicsByNameAndById(t *testing.T) {
	s, _ := startServer(t, func(c *Config) { c.AutoCreateTopics = false })
	w := dial(t, s.Addr(""))
	w.createTopic("a", 3)
	w.createTopic("b", 1)
	id := ask[*kmsg.MetadataResponse](w, 13, metadataRequest("a")).Topics[0].TopicID

	byID := kmsg.NewPtrMetadataRequest()
	byID.Topics = []kmsg.MetadataRequestTopic{{TopicID: id}, {TopicID: [16]byte{9}}}
	for version := int16(metadataByID); version <= 13; version++ {
		got := ask[*kmsg.MetadataResponse](w, version, byID).Topics
		if len(got) != 2 || text(got[0].Topic) != "a" || len(got[0].Partitions) != 3 || got[0].ErrorCode != 0 {
			t.Errorf("v%d by id: %+v", version, got)
		}
		if got[1].Topic != nil || got[1].ErrorCode != kerr.UnknownTopicID.Code || got[1].TopicID != [16]byte{9} {
			t.Errorf("v%d by an unknown id: %+v", version, got[1])
		}
	}
	for _, version := range []int16{10, 11} {
		for _, rt := range ask[*kmsg.MetadataResponse](w, version, byID).Topics {
			if rt.ErrorCode != kerr.InvalidRequest.Code || len(rt.Partitions) != 0 {
				t.Errorf("v%d carries ids and must not be asked by them: %+v", version, rt)
			}
		}
	}
}

func TestMetadataTellsUnknownNamesFromImpossibleOnes(t *testing.T) {
	s, _ := startServer(t, func(c *Config) { c.AutoCreateTopics = false })
	w := dial(t, s.Addr(""))
	got := ask[*kmsg.MetadataResponse](w, 12, metadataRequest("nobody", "no such/name", "", "..")).Topics
	want := []int16{kerr.UnknownTopicOrPartition.Code, kerr.InvalidTopicException.Code, kerr.InvalidTopicException.Code, kerr.InvalidTopicException.Code}
	for i := range got {
		if got[i].ErrorCode != want[i] {
			t.Errorf("%q: code %d, want %d", text(got[i].Topic), got[i].ErrorCode, want[i])
		}
	}
}

func TestMetadataNullAsksForAllTopicsAndEmptyForNone(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	w.createTopic("b", 1)
	for version := int16(0); version <= 13; version++ {
		empty := len(ask[*kmsg.MetadataResponse](w, version, metadataRequest()).Topics)
		if want := map[bool]int{true: 2, false: 0}[version == 0]; empty != want {
			t.Errorf("v%d: an empty list gets %d topics, want %d", version, empty, want)
		}
		if version == 0 {
			continue
		}
		if all := ask[*kmsg.MetadataResponse](w, version, kmsg.NewPtrMetadataRequest()).Topics; len(all) != 2 {
			t.Errorf("v%d: null gets %d topics, want 2", version, len(all))
		}
	}
}

func TestMetadataAnswersATopicOnceHoweverOftenItIsNamed(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	names := slices.Repeat([]string{"a", "unknown?"}, 1000)
	if got := ask[*kmsg.MetadataResponse](w, 12, metadataRequest(names...)).Topics; len(got) != 2 {
		t.Errorf("%d answers for 2 topics", len(got))
	}
}

func TestMetadataCreatesATopicThatCanBeProducedToAtOnce(t *testing.T) {
	s, cl := startServer(t, func(c *Config) { c.NumPartitions = 4 })
	w := dial(t, s.Addr(""))

	refused := metadataRequest("not-wanted") // version 4 and later say themselves whether they may create
	if code := ask[*kmsg.MetadataResponse](w, 4, refused).Topics[0].ErrorCode; code != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("a client that forbids creation gets code %d", code)
	}
	if got := ask[*kmsg.MetadataResponse](w, 3, metadataRequest("old-client")).Topics[0]; got.ErrorCode != 0 || len(got.Partitions) != 4 {
		t.Errorf("before version 4 a topic is created unasked: %+v", got)
	}
	req := metadataRequest("new-client", "bad name")
	req.AllowAutoTopicCreation = true
	got := ask[*kmsg.MetadataResponse](w, 13, req).Topics
	if got[0].ErrorCode != 0 || len(got[0].Partitions) != 4 || got[1].ErrorCode != kerr.InvalidTopicException.Code {
		t.Fatalf("auto-creation: %+v", got)
	}
	for i := range int32(4) {
		if p := s.hosted.Topic("new-client").Partition(i); !p.IsOpen() {
			t.Errorf("partition %d is not open when the answer is sent", i)
		}
	}
	write(t, cl, "new-client", 3, 1)
}

func TestMetadataBoundsHowManyTopicsOneRequestCreates(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	var names []string
	for i := range autoCreatesMax + 2 {
		names = append(names, fmt.Sprintf("t%03d", i))
	}
	codes := map[int16]int{}
	for _, rt := range ask[*kmsg.MetadataResponse](w, 3, metadataRequest(names...)).Topics {
		codes[rt.ErrorCode]++
	}
	if codes[0] != autoCreatesMax || codes[kerr.LeaderNotAvailable.Code] != 2 {
		t.Errorf("codes %v, want %d created and 2 to be asked for again", codes, autoCreatesMax)
	}
}

func TestClientsAreToldTheAddressesOfTheListenerTheyCameInOn(t *testing.T) {
	s, _ := startServer(t, func(c *Config) {
		c.Rack = "rack-1"
		c.Listeners = append(c.Listeners, Listener{Name: "OUTSIDE", Addr: "127.0.0.1:0", AdvertisedHost: "broker.example.com", AdvertisedPort: 9192})
	})
	inside, outside := dial(t, s.Addr("PLAINTEXT")), dial(t, s.Addr("OUTSIDE"))
	for w, want := range map[*wire]string{inside: s.Addr("PLAINTEXT"), outside: "broker.example.com:9192"} {
		m := ask[*kmsg.MetadataResponse](w, 13, metadataRequest())
		d := ask[*kmsg.DescribeClusterResponse](w, 2, kmsg.NewPtrDescribeClusterRequest())
		f := ask[*kmsg.FindCoordinatorResponse](w, 6, coordinatorRequest(coordinatorOfGroup, "g")).Coordinators[0]
		for _, got := range []string{
			fmt.Sprintf("%s:%d", m.Brokers[0].Host, m.Brokers[0].Port),
			fmt.Sprintf("%s:%d", d.Brokers[0].Host, d.Brokers[0].Port),
			fmt.Sprintf("%s:%d", f.Host, f.Port),
		} {
			if got != want {
				t.Errorf("address %s, want %s", got, want)
			}
		}
		if text(m.Brokers[0].Rack) != "rack-1" || text(d.Brokers[0].Rack) != "rack-1" {
			t.Errorf("racks %s and %s", text(m.Brokers[0].Rack), text(d.Brokers[0].Rack))
		}
		if text(m.ClusterID) != d.ClusterID || m.ControllerID != 1 {
			t.Errorf("cluster %s and %s, controller %d", text(m.ClusterID), d.ClusterID, m.ControllerID)
		}
	}
}

func TestWhatAClientMayDoIsToldWhenItAsks(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	req := metadataRequest("a")
	req.IncludeClusterAuthorizedOperations, req.IncludeTopicAuthorizedOperations = true, true
	const topicAll, clusterAll = 3576, 8096 // as Kafka answers without an authorizer
	got := ask[*kmsg.MetadataResponse](w, 10, req)
	if got.AuthorizedOperations != clusterAll || got.Topics[0].AuthorizedOperations != topicAll {
		t.Errorf("operations %d and %d", got.AuthorizedOperations, got.Topics[0].AuthorizedOperations)
	}
	got = ask[*kmsg.MetadataResponse](w, 10, metadataRequest("a"))
	if got.AuthorizedOperations != -2147483648 || got.Topics[0].AuthorizedOperations != -2147483648 {
		t.Errorf("not asked for, and told: %d and %d", got.AuthorizedOperations, got.Topics[0].AuthorizedOperations)
	}
}

func TestDescribeClusterKnowsNoControllersToTalkTo(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	for kind, want := range map[int8]*kerr.Error{endpointController: kerr.MismatchedEndpointType, 7: kerr.UnsupportedEndpointType} {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.EndpointType = kind
		if got := ask[*kmsg.DescribeClusterResponse](w, 1, req).ErrorCode; got != want.Code {
			t.Errorf("endpoint type %d: code %d, want %d", kind, got, want.Code)
		}
	}
}

func TestDescribeTopicPartitionsGoesPageByPage(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 3)
	w.createTopic("b", 2)
	w.createTopic("c", 1)
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = 2
	var seen []string
	for range 10 {
		resp := ask[*kmsg.DescribeTopicPartitionsResponse](w, 0, req)
		n := 0
		for _, rt := range resp.Topics {
			for _, p := range rt.Partitions {
				seen = append(seen, fmt.Sprintf("%s-%d", *rt.Topic, p.Partition))
				n++
				if p.EligibleLeaderReplicas == nil || p.LastKnownELR == nil {
					t.Error("null where Kafka's admin client needs an array")
				}
			}
		}
		if n > 2 {
			t.Fatalf("a page of %d partitions, asked for 2", n)
		}
		if resp.NextCursor == nil {
			break
		}
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
	}
	if want := []string{"a-0", "a-1", "a-2", "b-0", "b-1", "c-0"}; !slices.Equal(seen, want) {
		t.Errorf("pages hold %v, want %v", seen, want)
	}
}

func TestDescribeTopicPartitionsNamesWhatItDoesNotKnow(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	for _, name := range []string{"nobody", "a", "a", "b d"} {
		req.Topics = append(req.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: name})
	}
	got := map[string]int16{}
	for _, rt := range ask[*kmsg.DescribeTopicPartitionsResponse](w, 0, req).Topics {
		got[*rt.Topic] = rt.ErrorCode
	}
	if len(got) != 3 || got["a"] != 0 || got["nobody"] != kerr.UnknownTopicOrPartition.Code || got["b d"] != kerr.InvalidTopicException.Code {
		t.Errorf("codes %v", got)
	}
	req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "a", Partition: -1}
	for _, rt := range ask[*kmsg.DescribeTopicPartitionsResponse](w, 0, req).Topics {
		if rt.ErrorCode != kerr.InvalidRequest.Code {
			t.Errorf("a cursor at partition -1 gets code %d", rt.ErrorCode)
		}
	}
}
