package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// shown is a broker that hosts nothing, in a cluster that is empty.
type shown struct {
	ready    bool
	gone     bool
	low      bool
	problems []string
	groups   []Group
}

func (s *shown) ID() protocol.BrokerID                { return 7 }
func (s *shown) Ready() bool                          { return s.ready }
func (s *shown) Metadata() Metadata                   { return s }
func (s *shown) Hosted() Hosted                       { return s }
func (s *shown) Peers() []protocol.BrokerID           { return []protocol.BrokerID{8, 7} }
func (s *shown) Problems() []string                   { return append([]string{}, s.problems...) }
func (s *shown) DiskIsLow() bool                      { return s.low }
func (s *shown) DiskFree() (uint64, bool)             { return 1000, true }
func (s *shown) LockWindowBytes() int64               { return 64 }
func (s *shown) FetchSessions() FetchSessions         { return FetchSessions{1, 2, 3} }
func (s *shown) Groups() []Group                      { return s.groups }
func (s *shown) Transactions() Transactions           { return Transactions{} }
func (s *shown) ShowsLockNames() bool                 { return true }
func (s *shown) Viewer(*http.Request) (Viewer, error) { return Everybody, nil }
func (s *shown) ClientRefusals(c string) []ClientRefusal {
	return []ClientRefusal{{c, "t", 2, 5000, protocol.Refusal{Kind: protocol.RefusalMalformed, Record: 1, Text: "why"}}}
}
func (s *shown) Image() *image.Image                 { return &image.Image{ClusterID: "c", Controller: 7} }
func (s *shown) StoreGone() (time.Time, bool)        { return time.Unix(1_700_000_000, 0), s.gone }
func (s *shown) Topic(string) *partitions.Topic      { return nil }
func (s *shown) Topics() iter.Seq[*partitions.Topic] { return maps.Values(map[int]*partitions.Topic{}) }

func (s *shown) StoreUsage() (coordinator.StoreUsage, bool)          { return coordinator.StoreUsage{}, false }
func (s *shown) TopicByID(protocol.TopicID) *partitions.Topic        { return nil }
func (s *shown) Each(func(*partitions.Topic, *partitions.Partition)) {}

// serve answers for a broker until the test ends, at a URL.
func serve(t *testing.T, s *shown) (url string, m *Metrics) {
	t.Helper()
	m = NewMetrics(s)
	server, err := Listen("127.0.0.1:0", s, m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, 10) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + server.Addr().String(), m
}

// get asks for a path.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if id := resp.Header.Get("Lockstep-Broker"); id != "7" {
		t.Errorf("%s is answered by broker %q", url, id)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// Goal: before a broker is ready it says so, of everything but that it lives.
func TestABrokerThatStartsSaysSo(t *testing.T) {
	url, _ := serve(t, &shown{})
	for path, want := range map[string]int{
		"/v1/status/live": 200, "/v1/status/ready": 503, "/v1/cluster/health": 503, "/v1/brokers": 503,
		"/v1/locks/t": 503, "/v1/locks/t/0": 503, "/v1/locks/t/0/x": 503, "/v1/conflicts": 503, "/metrics": 200, "/v1/nothing": 404,
	} {
		status, body := get(t, url+path)
		if status != want || want == 503 && body != `{"error":"starting"}` {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// Goal: answers are the contract's JSON, and so are errors.
func TestAnswersAreTheContractsJSON(t *testing.T) {
	url, _ := serve(t, &shown{ready: true})
	for path, want := range map[string]string{
		"/v1/status/ready":  `200 {"status":"ready"}`,
		"/v1/brokers":       `200 {"broker":7,"cluster_id":"c","brokers":[{"id":7,"live":false},{"id":8,"live":false}]}`,
		"/v1/conflicts":     `200 []`,
		"/v1/conflicts?a=b": `400 {"error":"parameter \"a\" is unknown; known are topic, partition, id and client"}`,
		"/v1/conflicts?client=app": `200 [{"topic":"t","partition":2,"time":"1970-01-01T00:00:05Z","kind":"MALFORMED","record":1,` +
			`"client":"app","message":"MALFORMED record=1: why"}]`,
		"/v1/conflicts?client=app&partition=1": `200 []`,
		"/v1/conflicts?client=app&id=x":        `400 {"error":"client and id are two ways to ask; give one of them"}`,
		"/v1/locks/t?lock=x":                   `404 {"error":"topic \"t\" does not exist"}`,
		"/v1/locks/t/0/x":                      `404 {"error":"no partition t-0 on this broker"}`,
		"/v1/locks/t/one/x":                    `400 {"error":"partition \"one\" is not a number"}`,
	} {
		status, body := get(t, url+path)
		if got := fmt.Sprintf("%d %s", status, body); got != want {
			t.Errorf("%s: %s\nwant %s", path, got, want)
		}
	}
}

// Goal: health tells what is wrong, and whether that costs anybody anything.
func TestHealthTellsDegradedFromUnhealthy(t *testing.T) {
	for name, c := range map[string]struct {
		broker            shown
		healthy, degraded bool
		store             string
	}{
		"a peer is missing": {shown{}, true, true, "available"},
		"a problem":         {shown{problems: []string{"p"}}, true, true, "available"},
		"the disk is low":   {shown{low: true}, false, true, "available"},
		"the store is gone": {shown{gone: true}, false, true, "no answer, or no quorum, since 2023-11-14T22:13:20Z"},
	} {
		c.broker.ready = true
		url, _ := serve(t, &c.broker)
		_, body := get(t, url+"/v1/cluster/health")
		var h Health
		if err := json.Unmarshal([]byte(body), &h); err != nil {
			t.Fatal(err)
		}
		if h.Healthy != c.healthy || h.Degraded != c.degraded || h.Store != c.store || !slices.Equal(h.Missing, []protocol.BrokerID{7, 8}) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

// Goal: a scrape holds what was counted, and names that clients have chosen break
// nothing in it.
func TestAScrapeHoldsWhatWasCounted(t *testing.T) {
	s := &shown{ready: true, groups: []Group{{Listing: group.Listing{Group: "g\xff", State: group.Stable, Members: 2}}}}
	url, m := serve(t, s)
	m.Answered(protocol.KeyProduce, time.Millisecond, 0)
	m.Answered(protocol.KeyProduce, time.Millisecond, 6)
	m.Connections("PLAINTEXT").Inc()
	topic := m.Topic("t").(*TopicMetrics)
	topic.Accepted.Inc()
	topic.Refused(&protocol.Refusal{Kind: protocol.RefusalConflict, Last: 9, Basis: 4})
	m.Topic("gone").(*TopicMetrics).Accepted.Inc()
	m.ForgetTopic("gone")
	m.ISRChanged(true)
	m.ReplicationOut.Add(5)
	_, body := get(t, url+"/metrics")
	for _, line := range []string{
		`lockstep_requests_total{api="Produce",error="NONE"} 1`,
		`lockstep_requests_total{api="Produce",error="NOT_LEADER_FOR_PARTITION"} 1`,
		`lockstep_request_duration_seconds_count{api="Produce"} 2`,
		`lockstep_connections{listener="PLAINTEXT"} 1`,
		`lockstep_conflict_appends_total{result="accepted",topic="t"} 1`,
		`lockstep_conflict_appends_total{result="refused",topic="t"} 1`,
		`lockstep_conflict_basis_distance_records_sum{topic="t"} 5`,
		`lockstep_isr_expands_total 1`, `lockstep_isr_shrinks_total 0`,
		`lockstep_replication_bytes_out_total 5`,
		`lockstep_disk_free_bytes 1000`, `lockstep_conflict_window_bytes 64`,
		`kafka_consumergroup_members{consumergroup="g�"} 2`, `lockstep_groups{state="Stable"} 1`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("there is no %s", line)
		}
	}
	if strings.Contains(body, `topic="gone"`) {
		t.Error("a topic that was deleted is still shown")
	}
}
