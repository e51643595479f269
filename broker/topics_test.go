package broker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCreatedTopicCanBeProducedToAtOnce(t *testing.T) {
	s, cl := startServer(t, func(c *Config) { c.AutoCreateTopics = false })
	w := dial(t, s.Addr(""))
	w.createTopic("a", 3, "conflict.policy", "off")
	write(t, cl, "a", 2, 1)
	if _, ok := s.cluster.Image().Topic("a"); !ok {
		t.Error("the image does not have the topic")
	}
	if got := s.hosted.Topic("a").Settings.ConflictPolicy; got != "off" {
		t.Errorf("conflict.policy is %q", got)
	}
}

func TestCreateTopicsTellsWhatItMade(t *testing.T) {
	s, _ := startServer(t, func(c *Config) {
		c.NumPartitions = 5
		c.TopicDefaults = map[string]string{"retention.ms": "3600000"}
	})
	w := dial(t, s.Addr(""))
	got := ask[*kmsg.CreateTopicsResponse](w, 7, newTopicRequest("a", -1, "segment.bytes", "1048576")).Topics[0]
	if got.ErrorCode != 0 || got.NumPartitions != 5 || got.ReplicationFactor != 1 || got.TopicID == [16]byte{} {
		t.Fatalf("%+v", got)
	}
	for name, want := range map[string]struct {
		value  string
		source int8
	}{"segment.bytes": {"1048576", 1}, "retention.ms": {"3600000", 4}, "flush.messages": {"1", 5}} {
		for _, c := range got.Configs {
			if c.Name == name && (text(c.Value) != want.value || c.Source != want.source) {
				t.Errorf("%s is %s from %d, want %+v", name, text(c.Value), c.Source, want)
			}
		}
	}
}

// TestALedgerKeepsItsRecordsUnlessToldOtherwise however it comes to be.
func TestALedgerKeepsItsRecordsUnlessToldOtherwise(t *testing.T) {
	s, _ := startServer(t, func(c *Config) { c.TopicDefaults = map[string]string{"retention.ms": "3600000"} })
	w := dial(t, s.Addr(""))
	w.createTopic("ledger", 1, "conflict.policy", "required")
	w.createTopic("short", 1, "conflict.policy", "required", "retention.ms", "1000")
	w.createTopic("events", 1)
	w.change(ofBroker, "", opSet, "conflict.policy", "required")
	ask[*kmsg.MetadataResponse](w, 3, metadataRequest("asked-for")) // which creates it
	if err := s.ensureTopic(t.Context(), NewTopic{Name: "at-start", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ledger": "-1 from 1", "short": "1000 from 1", "events": "3600000 from 4", "asked-for": "-1 from 1", "at-start": "-1 from 1",
	} {
		c := w.described(ofTopic, name, "retention.ms")
		if got := fmt.Sprintf("%s from %d", text(c.Value), c.Source); got != want {
			t.Errorf("retention.ms of %s is %s, want %s", name, got, want)
		}
	}
}

func TestCreateTopicsRefusals(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("there", 1)
	w.createTopic("x.y", 1)

	assigned := func(partitions int32, assignments ...[]int32) *kmsg.CreateTopicsRequest {
		req := newTopicRequest("a", partitions)
		for i, replicas := range assignments {
			req.Topics[0].ReplicaAssignment = append(req.Topics[0].ReplicaAssignment,
				kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(i), Replicas: replicas})
		}
		return req
	}
	twice := assigned(-1, []int32{1}, []int32{1})
	twice.Topics[0].ReplicaAssignment[1].Partition = 0
	replicated := newTopicRequest("a", 1)
	replicated.Topics[0].ReplicationFactor = 3
	null := newTopicRequest("a", 1, "retention.ms", "1")
	null.Topics[0].Configs[0].Value = nil

	for name, c := range map[string]struct {
		req  *kmsg.CreateTopicsRequest
		want *kerr.Error
		says string
	}{
		"exists":                   {newTopicRequest("there", 1), kerr.TopicAlreadyExists, "there"},
		"bad name":                 {newTopicRequest("a b", 1), kerr.InvalidTopicException, "a b"},
		"collides":                 {newTopicRequest("x_y", 1), kerr.InvalidTopicException, "x.y"},
		"no partitions":            {newTopicRequest("a", 0), kerr.InvalidPartitions, "0"},
		"too many partitions":      {newTopicRequest("a", 1_000_000), kerr.InvalidPartitions, "1000000"},
		"more replicas than nodes": {replicated, kerr.InvalidReplicationFactor, "3"},
		"unknown setting":          {newTopicRequest("a", 1, "retention.mss", "1"), kerr.InvalidConfig, "retention.mss"},
		"bad value":                {newTopicRequest("a", 1, "retention.ms", "soon"), kerr.InvalidConfig, "retention.ms"},
		"null value":               {null, kerr.InvalidConfig, "retention.ms"},
		"assigned and counted":     {assigned(1, []int32{1}), kerr.InvalidRequest, "assignment"},
		"assigned to nobody":       {assigned(-1, []int32{7}), kerr.InvalidReplicaAssignment, "7"},
		"assigned twice":           {twice, kerr.InvalidReplicaAssignment, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask[*kmsg.CreateTopicsResponse](w, 7, c.req).Topics[0]
			if got.ErrorCode != c.want.Code || !strings.Contains(text(got.ErrorMessage), c.says) {
				t.Errorf("code %d: %s", got.ErrorCode, text(got.ErrorMessage))
			}
			if got.NumPartitions != -1 || got.Configs == nil {
				t.Errorf("%d partitions, configs null: %v", got.NumPartitions, got.Configs == nil)
			}
		})
	}
}

func TestATopicNamedTwiceInOneRequestIsRefusedOnce(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("there", 1)

	create := newTopicRequest("a", 1)
	create.Topics = append(create.Topics, newTopicRequest("b", 1).Topics[0], create.Topics[0])
	created := ask[*kmsg.CreateTopicsResponse](w, 5, create).Topics
	if len(created) != 2 || created[0].ErrorCode != kerr.InvalidRequest.Code || created[1].ErrorCode != 0 {
		t.Errorf("create: %+v", created)
	}
	add := partitionsRequest("there", 2)
	add.Topics = append(add.Topics, add.Topics[0])
	if added := ask[*kmsg.CreatePartitionsResponse](w, 3, add).Topics; len(added) != 1 || added[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("add partitions: %+v", added)
	}
	deleted := ask[*kmsg.DeleteTopicsResponse](w, 6, deleteTopicRequest("there", "there")).Topics
	if len(deleted) != 1 || deleted[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("delete: %+v", deleted)
	}
	if _, ok := s.cluster.Image().Topic("there"); !ok {
		t.Error("a refused request deleted its topic")
	}
}

func TestValidateOnlyChangesNothing(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("there", 1)
	before := s.cluster.Image().Revision

	create := newTopicRequest("a", 2)
	create.ValidateOnly = true
	if got := ask[*kmsg.CreateTopicsResponse](w, 7, create).Topics[0]; got.ErrorCode != 0 || got.NumPartitions != 2 || got.TopicID != [16]byte{} {
		t.Errorf("create: %+v", got)
	}
	add := partitionsRequest("there", 2)
	add.ValidateOnly = true
	if got := ask[*kmsg.CreatePartitionsResponse](w, 3, add).Topics[0]; got.ErrorCode != 0 {
		t.Errorf("add partitions: %+v", got)
	}
	set := changeConfigsRequest("there", kmsg.IncrementalAlterConfigOpSet, "retention.ms", "1")
	set.ValidateOnly = true
	if got := ask[*kmsg.IncrementalAlterConfigsResponse](w, 1, set).Resources[0]; got.ErrorCode != 0 {
		t.Errorf("alter: %+v", got)
	}
	if after := s.cluster.Image().Revision; after != before {
		t.Errorf("metadata went from revision %d to %d", before, after)
	}
}

func TestManualAssignmentNumbersThePartitions(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	req := newTopicRequest("a", -1)
	for i := range int32(3) {
		req.Topics[0].ReplicaAssignment = append(req.Topics[0].ReplicaAssignment,
			kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: 2 - i, Replicas: []int32{1}})
	}
	got := ask[*kmsg.CreateTopicsResponse](w, 6, req).Topics[0]
	if got.ErrorCode != 0 || got.NumPartitions != 3 {
		t.Fatalf("%+v", got)
	}
	write(t, cl, "a", 2, 1)
}

func TestDeleteTopicsByNameAndById(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	w.createTopic("b", 1)
	id := ask[*kmsg.MetadataResponse](w, 12, metadataRequest("b")).Topics[0].TopicID

	got := ask[*kmsg.DeleteTopicsResponse](w, 6, deleteTopicRequest("a", "nobody")).Topics
	if got[0].ErrorCode != 0 || got[0].TopicID == [16]byte{} || got[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("by name: %+v", got)
	}
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Topics = []kmsg.DeleteTopicsRequestTopic{
		{TopicID: id}, {TopicID: [16]byte{9}}, {}, {Topic: kmsg.StringPtr("b"), TopicID: id},
	}
	got = ask[*kmsg.DeleteTopicsResponse](w, 6, req).Topics
	want := []int16{0, kerr.UnknownTopicID.Code, kerr.InvalidRequest.Code, kerr.InvalidRequest.Code}
	for i := range got {
		if got[i].ErrorCode != want[i] {
			t.Errorf("by id, topic %d: code %d, want %d", i, got[i].ErrorCode, want[i])
		}
	}
	if text(got[0].Topic) != "b" {
		t.Errorf("the answer by id names %s", text(got[0].Topic))
	}
	if n := len(s.cluster.Image().Topics()); n != 0 {
		t.Errorf("%d topics are left", n)
	}
}

func TestATopicMadeAgainIsAnotherTopicAndIsEmpty(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	ids := map[[16]byte]bool{}
	for range 3 {
		w.createTopic("a", 1)
		ids[ask[*kmsg.MetadataResponse](w, 12, metadataRequest("a")).Topics[0].TopicID] = true
		if end := ask[*kmsg.ListOffsetsResponse](w, 7, listOffsetsRequest("a", timeLatest)).Topics[0].Partitions[0]; end.Offset != 0 {
			t.Errorf("a new topic ends at %d", end.Offset)
		}
		cl.PurgeTopicsFromClient("a")
		write(t, cl, "a", 0, 1, 2)
		ask[*kmsg.DeleteTopicsResponse](w, 5, deleteTopicRequest("a"))
	}
	if len(ids) != 3 {
		t.Errorf("%d ids for 3 topics", len(ids))
	}
}

func TestPartitionsAreAddedAndNeverTakenAway(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 2)
	assign := func(count int32, replicas ...[]int32) *kmsg.CreatePartitionsRequest {
		req := partitionsRequest("a", count)
		for _, r := range replicas {
			req.Topics[0].Assignment = append(req.Topics[0].Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: r})
		}
		return req
	}
	for _, c := range []struct {
		req  *kmsg.CreatePartitionsRequest
		want int16
	}{
		{assign(1), kerr.InvalidPartitions.Code},
		{assign(2), kerr.InvalidPartitions.Code},
		{assign(4, []int32{1}), kerr.InvalidReplicaAssignment.Code},
		{assign(3, []int32{9}), kerr.InvalidReplicaAssignment.Code},
		{partitionsRequest("nobody", 3), kerr.UnknownTopicOrPartition.Code},
		{assign(4, []int32{1}, []int32{1}), 0},
		{assign(5), 0},
	} {
		if got := ask[*kmsg.CreatePartitionsResponse](w, 3, c.req).Topics[0]; got.ErrorCode != c.want {
			t.Errorf("to %d: code %d, want %d: %s", c.req.Topics[0].Count, got.ErrorCode, c.want, text(got.ErrorMessage))
		}
	}
	write(t, cl, "a", 4, 1)
}

func TestNoTopicIsDeletedWhereThatIsTurnedOff(t *testing.T) {
	s, _ := startServer(t, func(c *Config) { c.TopicsStay = true })
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	if got := ask[*kmsg.DeleteTopicsResponse](w, 6, deleteTopicRequest("a")).Topics[0]; got.ErrorCode != kerr.TopicDeletionDisabled.Code {
		t.Errorf("code %d: %s", got.ErrorCode, text(got.ErrorMessage))
	}
	if m := ask[*kmsg.MetadataResponse](w, 9, metadataRequest("a")); m.Topics[0].ErrorCode != 0 {
		t.Errorf("the topic is gone: code %d", m.Topics[0].ErrorCode)
	}
	if c := w.described(ofBroker, "1", "delete.topic.enable"); text(c.Value) != "false" || c.Source != kmsg.ConfigSourceStaticBrokerConfig {
		t.Errorf("described as %s from %d", text(c.Value), c.Source)
	}
}
