package broker

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestAFullMetadataStoreSaysSoAndOnlyAdditionsAreRefused: health, the gauge and
// the client's error tell it at once; writes, groups and deletions go on; and when
// something was deleted there is room again.
func TestAFullMetadataStoreSaysSoAndOnlyAdditionsAreRefused(t *testing.T) {
	s, cl := startServer(t, func(c *Config) { c.MetadataBytesMax, c.HTTPAddr = 1<<20, "127.0.0.1:0" })
	adm := kadm.NewClient(cl)
	list := strings.TrimSuffix(strings.Repeat("1:1,", 8_000), ",")
	configs := map[string]*string{"leader.replication.throttled.replicas": &list}
	topics, last := 0, kadm.CreateTopicResponse{}
	for ; last.Err == nil && topics < 100; topics++ {
		var err error
		last, err = adm.CreateTopic(t.Context(), 1, 1, configs, fmt.Sprint("t", topics))
		if err != nil && err != last.Err {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if last.Err != kerr.PolicyViolation || !strings.Contains(last.ErrMessage, "the metadata store is full") {
		t.Fatalf("after %d topics: %v, %q", topics, last.Err, last.ErrMessage)
	}
	if h := s.health(); h.Healthy || h.Store != "full" || len(h.Problems) != 1 {
		t.Errorf("health is %+v", h)
	}
	if !strings.Contains(scrape(t, s), "lockstep_metadata_store_available 0") {
		t.Error("the gauge says that the metadata can change")
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t0", Value: []byte("v")}).FirstErr(); err != nil {
		t.Errorf("a write meanwhile: %v", err)
	}
	for i := 1; i < topics-1; i++ {
		if _, err := adm.DeleteTopic(t.Context(), fmt.Sprint("t", i)); err != nil {
			t.Fatalf("a deletion: %v", err)
		}
	}
	deadline := time.Now().Add(patience)
	for h := s.health(); !h.Healthy || h.Degraded; h = s.health() {
		if time.Now().After(deadline) {
			t.Fatalf("after the deletions health is %+v", h)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if _, err := adm.CreateTopic(t.Context(), 1, 1, nil, "again"); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// scrape is what the metrics say.
func scrape(t *testing.T, s *Server) string {
	t.Helper()
	resp, err := http.Get("http://" + s.HTTPAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
