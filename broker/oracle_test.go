package broker

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// One admin session, step by step, is held against kfake: the error codes of
// every answer must be the same, and so must the numbers that a client acts on.
//
// Left out is where kfake is further from Kafka than we want to be: impossible
// names (it answers that they are unknown), refused settings (INVALID_REQUEST
// for INVALID_CONFIG), a count of partitions that is already there (success),
// one topic named twice (it refuses the others as well), DeleteRecords below
// the start (out of range), share coordinators and transactions.
func TestAnAdminSessionGetsTheCodesOfKfake(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	s, cl := startServer(t, func(c *Config) { c.NodeID = 7; c.AutoCreateTopics = false })
	fakeClient, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer fakeClient.Close()
	ours := session{w: dial(t, s.Addr("")), cl: cl, node: 7}
	theirs := session{w: dial(t, fake.ListenAddrs()[0]), cl: fakeClient}
	theirs.node = ask[*kmsg.MetadataResponse](theirs.w, 9, metadataRequest()).Brokers[0].NodeID
	for _, step := range adminSession {
		if got, want := step.told(&ours), step.told(&theirs); got != want {
			t.Errorf("%s:\n  ours   %s\n  kfake  %s", step.name, got, want)
		}
	}
}

// session is one side of the comparison.
type session struct {
	w    *wire
	cl   *kgo.Client
	node int32
	id   [16]byte // of topic "a"
}

// step is a request of the session. Requests are made anew for each side.
type step struct {
	name    string
	version int16
	req     func(*session) kmsg.Request
	also    func(kmsg.Response) string // what else must be the same
	before  func(*session)
}

// told is what the answer to the step's request says, in one line.
func (st *step) told(s *session) string {
	if st.before != nil {
		st.before(s)
	}
	resp := ask[kmsg.Response](s.w, st.version, st.req(s))
	line := strings.Join(errorCodes("", reflect.ValueOf(resp).Elem()), " ")
	if st.also != nil {
		line += "; " + st.also(resp)
	}
	return line
}

// errorCodes are all fields named ErrorCode, sorted.
func errorCodes(path string, v reflect.Value) (codes []string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if name == "ErrorCode" {
				codes = append(codes, fmt.Sprintf("%s=%d", path, v.Field(i).Int()))
			} else if v.Type().Field(i).IsExported() {
				codes = append(codes, errorCodes(path+"."+name, v.Field(i))...)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			codes = append(codes, errorCodes(path, v.Index(i))...)
		}
	}
	slices.Sort(codes)
	return codes
}

func same(req kmsg.Request) func(*session) kmsg.Request {
	return func(*session) kmsg.Request { return req }
}

// listed is what ListOffsets found.
func listed(r kmsg.Response) string {
	var b strings.Builder
	for _, p := range r.(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
		fmt.Fprintf(&b, "%d at %d, epoch %v; ", p.Offset, p.Timestamp, p.LeaderEpoch >= 0)
	}
	return b.String()
}

func epochEnded(r kmsg.Response) string {
	p := r.(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]
	return fmt.Sprintf("ends at %d", p.EndOffset)
}

func lowWatermark(r kmsg.Response) string {
	return fmt.Sprint(r.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0].LowWatermark)
}

func partitionCount(r kmsg.Response) string {
	return fmt.Sprint(len(r.(*kmsg.MetadataResponse).Topics[0].Partitions))
}

func madeCount(r kmsg.Response) string {
	t := r.(*kmsg.CreateTopicsResponse).Topics[0]
	return fmt.Sprintf("%d partitions, id %v", t.NumPartitions, t.TopicID != [16]byte{})
}

// at is a request with one change to it.
func at[R kmsg.Request](req R, change func(*session, R)) func(*session) kmsg.Request {
	return func(s *session) kmsg.Request {
		change(s, req)
		return req
	}
}

var adminSession = []step{
	{name: "metadata of nothing", version: 9, req: same(metadataRequest("a"))},
	{name: "validate a topic", version: 7, also: madeCount, req: same(func() kmsg.Request {
		r := newTopicRequest("a", 2)
		r.ValidateOnly = true
		return r
	}())},
	{name: "create", version: 7, req: same(newTopicRequest("a", 2)), also: madeCount},
	{name: "create again", version: 7, req: same(newTopicRequest("a", 2))},
	{name: "create by default", version: 7, req: same(newTopicRequest("b.b", -1)), also: madeCount},
	{name: "create a collision", version: 7, req: same(newTopicRequest("b_b", 1))},
	{name: "create without partitions", version: 7, req: same(newTopicRequest("c", 0))},
	{name: "create with an assignment and a count", version: 7, req: at(newTopicRequest("c", 1), func(s *session, r *kmsg.CreateTopicsRequest) {
		r.Topics[0].ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: []int32{s.node}}}
	})},
	{name: "create with an assignment", version: 7, also: madeCount, req: at(newTopicRequest("c", -1), func(s *session, r *kmsg.CreateTopicsRequest) {
		r.Topics[0].ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: []int32{s.node}}}
	})},
	{name: "metadata by name", version: 12, req: same(metadataRequest("a")), also: partitionCount},
	{name: "metadata by id", version: 12, also: partitionCount,
		before: func(s *session) {
			s.id = ask[*kmsg.MetadataResponse](s.w, 12, metadataRequest("a")).Topics[0].TopicID
		},
		req: func(s *session) kmsg.Request {
			r := kmsg.NewPtrMetadataRequest()
			r.Topics = []kmsg.MetadataRequestTopic{{TopicID: s.id}}
			return r
		}},
	{name: "metadata by an unknown id", version: 12, req: same(func() kmsg.Request {
		r := kmsg.NewPtrMetadataRequest()
		r.Topics = []kmsg.MetadataRequestTopic{{TopicID: [16]byte{1, 2, 3}}}
		return r
	}())},

	{name: "offsets of an empty partition", version: 8, also: listed, req: same(listOffsetsRequest("a", timeLatest))},
	{name: "greatest time of an empty partition", version: 8, also: listed, req: same(listOffsetsRequest("a", timeMax))},
	{name: "epoch of an empty partition", version: 4, also: epochEnded, req: same(leaderEpochRequest("a", 0))},
	{name: "latest", version: 8, also: listed, req: same(listOffsetsRequest("a", timeLatest)), before: func(s *session) {
		for _, ms := range []int64{1000, 3000, 2000, 4000} {
			write(s.w.t, s.cl, "a", 0, ms)
		}
	}},
	{name: "earliest", version: 8, also: listed, req: same(listOffsetsRequest("a", timeEarliest))},
	{name: "earliest local", version: 8, also: listed, req: same(listOffsetsRequest("a", timeEarliestLocal))},
	{name: "greatest time", version: 7, also: listed, req: same(listOffsetsRequest("a", timeMax))},
	{name: "tiered", version: 9, also: listed, req: same(listOffsetsRequest("a", timeLatestTiered))},
	{name: "a place too new for its version", version: 6, also: listed, req: same(listOffsetsRequest("a", timeMax))},
	{name: "a place that does not exist", version: 9, also: listed, req: same(listOffsetsRequest("a", -77))},
	{name: "a time", version: 9, also: listed, req: same(listOffsetsRequest("a", 1500))},
	{name: "a time between", version: 9, also: listed, req: same(listOffsetsRequest("a", 2000))},
	{name: "a time to come", version: 9, also: listed, req: same(listOffsetsRequest("a", 5000))},
	{name: "a partition named twice", version: 9, also: listed, req: same(listOffsetsRequest("a", timeLatest, timeLatest))},
	{name: "offsets of nothing", version: 9, also: listed, req: same(listOffsetsRequest("nobody", timeLatest))},
	{name: "offsets at an epoch to come", version: 9, also: listed, req: at(listOffsetsRequest("a", timeLatest), func(_ *session, r *kmsg.ListOffsetsRequest) {
		r.Topics[0].Partitions[0].CurrentLeaderEpoch = 99
	})},
	{name: "the current epoch", version: 4, also: epochEnded, req: same(leaderEpochRequest("a", 0))},
	{name: "an epoch to come", version: 4, also: epochEnded, req: same(leaderEpochRequest("a", 99))},
	{name: "an epoch of nothing", version: 4, also: epochEnded, req: same(leaderEpochRequest("nobody", 0))},

	{name: "delete records", version: 2, also: lowWatermark, req: same(deleteRecordsRequest("a", 2))},
	{name: "delete records to come", version: 2, req: same(deleteRecordsRequest("a", 9))},
	{name: "earliest after it", version: 8, also: listed, req: same(listOffsetsRequest("a", timeEarliest))},
	{name: "a time after it", version: 9, also: listed, req: same(listOffsetsRequest("a", 0))},
	{name: "delete all records", version: 2, also: lowWatermark, req: same(deleteRecordsRequest("a", -1))},
	{name: "delete records of nothing", version: 2, req: same(deleteRecordsRequest("nobody", 0))},

	{name: "add partitions", version: 3, req: same(partitionsRequest("a", 4))},
	{name: "take partitions away", version: 3, req: same(partitionsRequest("a", 1))},
	{name: "add partitions to nothing", version: 3, req: same(partitionsRequest("nobody", 1))},
	{name: "add partitions on nobody", version: 3, req: same(func() kmsg.Request {
		r := partitionsRequest("a", 5)
		r.Topics[0].Assignment = []kmsg.CreatePartitionsRequestTopicAssignment{{Replicas: []int32{99}}}
		return r
	}())},
	{name: "count them", version: 9, req: same(metadataRequest("a")), also: partitionCount},

	{name: "settings of a topic", version: 4, req: same(describeConfigsRequest(ofTopic, "a"))},
	{name: "settings of nothing", version: 4, req: same(describeConfigsRequest(ofTopic, "nobody"))},
	{name: "settings of this broker", version: 4, req: func(s *session) kmsg.Request { return describeConfigsRequest(ofBroker, fmt.Sprint(s.node)) }},
	{name: "settings of all brokers", version: 4, req: same(describeConfigsRequest(ofBroker, ""))},
	{name: "settings of another broker", version: 4, req: same(describeConfigsRequest(ofBroker, "99"))},
	{name: "settings of no broker", version: 4, req: same(describeConfigsRequest(ofBroker, "one"))},
	{name: "settings of nothing known", version: 4, req: same(describeConfigsRequest(99, "x"))},
	{name: "set", version: 1, req: same(changeConfigsRequest("a", opSet, "retention.ms", "1000"))},
	{name: "unset", version: 1, req: same(changeConfigsRequest("a", opDelete, "retention.ms", ""))},
	{name: "set on nothing", version: 1, req: same(changeConfigsRequest("nobody", opSet, "retention.ms", "1000"))},
	{name: "append", version: 1, req: same(changeConfigsRequest("a", opAppend, "cleanup.policy", "compact"))},
	{name: "subtract", version: 1, req: same(changeConfigsRequest("a", opSubtract, "cleanup.policy", "compact"))},
	{name: "replace", version: 2, req: same(replaceConfigsRequest(ofTopic, "a", "retention.ms", "9000"))},
	{name: "replace on nothing", version: 2, req: same(replaceConfigsRequest(ofTopic, "nobody", "retention.ms", "9000"))},

	{name: "a group's coordinator", version: 6, req: same(coordinatorRequest(coordinatorOfGroup, "g", "h"))},
	{name: "a group's coordinator, before batches", version: 3, req: same(coordinatorRequest(coordinatorOfGroup, "g"))},
	{name: "a coordinator of nothing known", version: 6, req: same(coordinatorRequest(9, "g"))},
	{name: "a producer id", version: 4, req: same(kmsg.NewPtrInitProducerIDRequest())},
	{name: "producers of nothing", version: 0, req: same(describeProducersRequest("nobody", 0))},
	{name: "producers", version: 0, req: same(describeProducersRequest("a", 0, 1))},
	{name: "cluster", version: 1, req: same(kmsg.NewPtrDescribeClusterRequest())},
	{name: "log dirs", version: 4, req: same(kmsg.NewPtrDescribeLogDirsRequest())},

	{name: "delete by name and id", version: 6, req: func(s *session) kmsg.Request {
		r := deleteTopicRequest("a")
		r.Topics[0].TopicID = s.id
		return r
	}},
	{name: "delete by id", version: 6, req: func(s *session) kmsg.Request {
		r := kmsg.NewPtrDeleteTopicsRequest()
		r.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: s.id}}
		return r
	}},
	{name: "delete by id again", version: 6, req: func(s *session) kmsg.Request {
		r := kmsg.NewPtrDeleteTopicsRequest()
		r.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: s.id}}
		return r
	}},
	{name: "delete by name", version: 5, req: same(deleteTopicRequest("b.b", "nobody"))},
	{name: "metadata afterwards", version: 9, req: same(metadataRequest("a"))},
}
