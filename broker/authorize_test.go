package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/protocol/record"
)

func (w *wire) allow(r acl.Rule) int16 {
	req := kmsg.NewPtrCreateACLsRequest()
	req.Creations = append(req.Creations, kmsg.CreateACLsRequestCreation{
		ResourceType: kmsg.ACLResourceType(r.Type), ResourceName: r.Name, ResourcePatternType: kmsg.ACLResourcePatternType(r.Pattern),
		Principal: r.Principal, Host: r.Host, Operation: kmsg.ACLOperation(r.Operation), PermissionType: kmsg.ACLPermissionType(r.Permission),
	})
	return ask[*kmsg.CreateACLsResponse](w, 3, req).Results[0].ErrorCode
}

// listed are the ACLs that are told, as lines.
func (w *wire) listed(kind kmsg.ACLResourceType) (lines []string) {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourcePatternType, req.Operation, req.PermissionType = kind, 1, 1, 1
	for _, r := range ask[*kmsg.DescribeACLsResponse](w, 3, req).Resources {
		for _, a := range r.ACLs {
			lines = append(lines, fmt.Sprintf("%s %s %s %s", resourceName(r.ResourceType), r.ResourceName, a.Principal, a.Operation))
		}
	}
	return lines
}

func lockBatch(t *testing.T, headers ...string) []byte {
	b := record.NewBuilder(record.CodecNone)
	r := record.Record{Timestamp: nowMs(), Value: []byte("v")}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Headers = append(r.Headers, record.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	b.Add(r)
	raw, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A lock that an ACL speaks of is written by those alone whom it allows; others may
// read it, and write what none speaks of. Kafka's tools see nothing of it.
func TestALockIsWrittenByWhomAnACLAllows(t *testing.T) {
	s := startGuarded(t, withStandIns)
	root, alice, bob := dial(t, s.Addr("super")), dial(t, s.Addr("allowed")), dial(t, s.Addr("other"))
	root.createTopic("acc-1", 1)
	for _, r := range []acl.Rule{
		rule(acl.TypeLock, acl.PatternPrefixed, "acct:", "alice", acl.OpWrite, acl.Allow),
		rule(acl.TypeTopic, acl.PatternLiteral, "acc-1", "bob", acl.OpWrite, acl.Allow),
	} {
		if code := root.allow(r); code != 0 {
			t.Fatal(code)
		}
	}
	for _, c := range []struct {
		w       *wire
		headers []string
		code    int16
	}{
		{alice, []string{"lock-write", "acct:7", "lock-basis", "none"}, 0},
		{bob, []string{"lock-write", "acct:8", "lock-basis", "none"}, kerr.TopicAuthorizationFailed.Code},
		{bob, []string{"lock-append", "free acct:8"}, kerr.TopicAuthorizationFailed.Code},
		{bob, []string{"lock-append", "%61cct:8"}, kerr.TopicAuthorizationFailed.Code}, // the same name, spelt otherwise
		{bob, []string{"lock-read", "acct:8", "lock-basis", "none"}, 0},
		{bob, []string{"lock-append", "free"}, 0},
	} {
		p := c.w.sends("acc-1", lockBatch(t, c.headers...))
		if p.ErrorCode != c.code {
			t.Errorf("%v: code %d %v, want %d", c.headers, p.ErrorCode, p.ErrorMessage, c.code)
		}
		if c.code != 0 && (p.ErrorMessage == nil || !strings.Contains(*p.ErrorMessage, `User:bob may not write the lock "acct:8"`)) {
			t.Errorf("%v: %v", c.headers, p.ErrorMessage)
		}
	}
	// Who may not read the topic is refused, and learns no other writer's name.
	if p := alice.sends("acc-1", lockBatch(t, "lock-append", "free", "lock-id", "secret-id")); p.ErrorCode != 0 {
		t.Fatal(p.ErrorMessage)
	}
	p := bob.sends("acc-1", lockBatch(t, "lock-write", "free", "lock-basis", "none"))
	if p.ErrorCode != kerr.PolicyViolation.Code || strings.Contains(*p.ErrorMessage, "secret-id") || !strings.Contains(*p.ErrorMessage, "by=- ") {
		t.Errorf("%d %s", p.ErrorCode, *p.ErrorMessage)
	}
	if all := fmt.Sprint(root.listed(kmsg.ACLResourceTypeAny)); strings.Contains(all, "acct:") {
		t.Errorf("Kafka's tools are shown locks: %s", all)
	}
	if got := fmt.Sprint(root.listed(onLock)); got != "[LOCK acct: User:alice WRITE]" {
		t.Errorf("locks: %s", got)
	}
}

// What is listed is what may be seen, in every way to list it.
func TestListingsShowWhatMayBeSeen(t *testing.T) {
	s := startGuarded(t, withStandIns)
	root, alice, bob, anyone := dial(t, s.Addr("super")), dial(t, s.Addr("allowed")), dial(t, s.Addr("other")), dial(t, s.Addr("anonymous"))
	root.createTopic("acc-1", 1)
	root.createTopic("other-1", 1)
	all := kmsg.NewPtrMetadataRequest()
	all.IncludeTopicAuthorizedOperations = true
	for _, c := range []struct {
		w    *wire
		want string
	}{{alice, "[acc-1 3576]"}, {bob, "[other-1 3576]"}, {anyone, "[]"}} {
		var got, described []string
		for _, rt := range ask[*kmsg.MetadataResponse](c.w, 12, all).Topics {
			got = append(got, fmt.Sprint(*rt.Topic, " ", rt.AuthorizedOperations))
		}
		for _, rt := range ask[*kmsg.DescribeTopicPartitionsResponse](c.w, 0, kmsg.NewPtrDescribeTopicPartitionsRequest()).Topics {
			described = append(described, fmt.Sprint(*rt.Topic, " ", rt.AuthorizedOperations))
		}
		if fmt.Sprint(got) != c.want || fmt.Sprint(described) != c.want {
			t.Errorf("metadata %v, described %v, want %s", got, described, c.want)
		}
	}
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Generation = -1
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "acc-1", Partitions: []kmsg.OffsetCommitRequestTopicPartition{kmsg.NewOffsetCommitRequestTopicPartition()}}}
	for _, g := range []string{"acc-g", "other-g"} {
		commit.Group = g
		if code := ask[*kmsg.OffsetCommitResponse](root, 8, commit).Topics[0].Partitions[0].ErrorCode; code != 0 {
			t.Fatal(code)
		}
	}
	groups := func(w *wire) (names []string) {
		for _, g := range ask[*kmsg.ListGroupsResponse](w, 4, kmsg.NewPtrListGroupsRequest()).Groups {
			names = append(names, g.Group)
		}
		return names
	}
	if a, b, none := groups(alice), groups(bob), groups(anyone); fmt.Sprint(a, b, none) != "[acc-g other-g] [other-g] []" {
		t.Errorf("groups %v %v %v", a, b, none) // alice may describe the cluster
	}
	// Offsets of topics that may not be seen are not shown where all are asked for.
	everything := kmsg.NewPtrOffsetFetchRequest()
	everything.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "other-g", MemberEpoch: -1}}
	if g := ask[*kmsg.OffsetFetchResponse](bob, 8, everything).Groups[0]; g.ErrorCode != 0 || len(g.Topics) != 0 {
		t.Errorf("bob sees offsets of %v", g.Topics)
	}
	cluster := kmsg.NewPtrDescribeClusterRequest()
	cluster.IncludeClusterAuthorizedOperations = true
	if a, b := ask[*kmsg.DescribeClusterResponse](alice, 0, cluster), ask[*kmsg.DescribeClusterResponse](bob, 0, cluster); a.ClusterAuthorizedOperations != 8096 || b.ClusterAuthorizedOperations != 0 {
		t.Errorf("operations %d %d", a.ClusterAuthorizedOperations, b.ClusterAuthorizedOperations)
	}
}

// One denied topic of a request leaves the other alone, and a right that is taken away
// is gone for the very next request of a connection and of a fetch session.
func TestARightThatIsTakenAwayIsGoneAtOnce(t *testing.T) {
	s := startGuarded(t, withStandIns)
	root, alice := dial(t, s.Addr("super")), dial(t, s.Addr("allowed"))
	root.createTopic("acc-1", 1)
	root.createTopic("other-1", 1)
	produce := kmsg.NewPtrProduceRequest()
	produce.Acks, produce.TimeoutMillis = -1, 5000
	for _, name := range []string{"other-1", "acc-1"} {
		produce.Topics = append(produce.Topics, kmsg.ProduceRequestTopic{Topic: name, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: lockBatch(t)}}})
	}
	resp := ask[*kmsg.ProduceResponse](alice, 9, produce)
	if got := fmt.Sprintln(resp.Topics[0].Topic, resp.Topics[0].Partitions[0].ErrorCode, resp.Topics[1].Topic, resp.Topics[1].Partitions[0].ErrorCode); got != "acc-1 0 other-1 29\n" {
		t.Errorf("produced %s", got)
	}
	fetch := kmsg.NewPtrFetchRequest()
	fetch.ReplicaID, fetch.MaxBytes, fetch.SessionEpoch = -1, 1<<20, 0
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.PartitionMaxBytes, rp.FetchOffset = 1<<20, 1
	fetch.Topics = []kmsg.FetchRequestTopic{{Topic: "acc-1", Partitions: []kmsg.FetchRequestTopicPartition{rp}}}
	first := ask[*kmsg.FetchResponse](alice, 11, fetch)
	if first.SessionID == 0 || first.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%+v", first)
	}
	if code := root.allow(rule(acl.TypeTopic, acl.PatternLiteral, "acc-1", "alice", acl.OpRead, acl.Deny)); code != 0 {
		t.Fatal(code)
	}
	root.sends("acc-1", lockBatch(t))
	fetch.SessionID, fetch.SessionEpoch, fetch.Topics = first.SessionID, 1, nil
	next := ask[*kmsg.FetchResponse](alice, 11, fetch)
	if len(next.Topics) != 1 || next.Topics[0].Partitions[0].ErrorCode != kerr.TopicAuthorizationFailed.Code || len(next.Topics[0].Partitions[0].RecordBatches) != 0 {
		t.Errorf("after the deny: %+v", next)
	}
	// Who asked for no answer sees the connection end.
	produce.Acks = 0
	produce.SetVersion(9)
	if _, err := alice.nc.Write(kmsg.NewRequestFormatter().AppendRequest(nil, produce, 1)); err != nil {
		t.Fatal(err)
	}
	if n, err := alice.nc.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes are answered", n)
	}
}

// sharedBuffer is a writer for the broker's goroutines and the test's.
type sharedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *sharedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// The audit says who was denied what, from where, and of listings nothing.
func TestTheAuditTellsOfDenials(t *testing.T) {
	var out sharedBuffer
	s := startGuarded(t, withStandIns, func(c *Config) { c.Audit = &out })
	w := dial(t, s.Addr("anonymous"))
	ask[*kmsg.MetadataResponse](w, 12, metadataRequest("acc-1"))
	ask[*kmsg.ListGroupsResponse](w, 4, kmsg.NewPtrListGroupsRequest())
	out.mu.Lock()
	defer out.mu.Unlock()
	var got map[string]any
	if err := json.Unmarshal(out.b.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, out.b.String())
	}
	delete(got, "time")
	want := map[string]any{
		"principal": "User:ANONYMOUS", "host": "127.0.0.1", "listener": "anonymous", "client": "wire", "request": "Metadata",
		"operation": "DESCRIBE", "resource": "TOPIC", "name": "acc-1", "allowed": false,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
