package boards

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/chaos/rig"
	"github.com/lockstep-log/lockstep/test/e2e"
)

// board is what a board's file says, as far as it names metrics.
type board struct {
	Title      string
	Templating struct {
		List []struct{ Type, Query string }
	}
	Panels []struct {
		Title   string
		Type    string
		Targets []struct{ Expr string }
	}
}

// served are the label names of each metric that some broker serves.
type served map[string][]string

var (
	// A metric's name, and its matchers where it has some.
	named = regexp.MustCompile(`\b((?:kafka|lockstep)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	label = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	// A sample, as a scrape has it.
	sample = regexp.MustCompile(`^([a-z0-9_]+)(?:\{(.*)\})? `)
)

// Goal: nobody imports a board with a dead panel. Method: three brokers with a
// topic, a refused write and a group; every metric that a board names, and each
// label that it is matched by, must be on one of their pages.
func TestEveryMetricOfTheBoardsIsServed(t *testing.T) {
	files, err := filepath.Glob("../../deploy/grafana/*.json")
	if err != nil || len(files) != 2 {
		t.Fatalf("boards %q, %v", files, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := cluster(ctx, t)
	use(ctx, t, r)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { check(ctx, t, r, read(t, file)) })
	}
}

func TestAPanelOfAnUnknownMetricOrLabelIsFound(t *testing.T) {
	b := board{Title: "a board"}
	text := `{"panels": [{"title": "a panel", "type": "stat", "targets": [
		{"expr": "sum by (topic) (lockstep_bytes_total{topic=~\"$topic\"}) / lockstep_gone"},
		{"expr": "lockstep_bytes_total{broker=\"1\"}"}, {"expr": "vector(1)"}]}]}`
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	want := []string{"a panel: lockstep_gone", "a panel: lockstep_bytes_total has no label broker", "a panel asks for no metric"}
	if got := (served{"lockstep_bytes_total": {"topic"}}).missing(b); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// check scrapes until all that the board names is there: a broker learns of what
// another did a moment later.
func check(ctx context.Context, t *testing.T, r *rig.Rig, b board) {
	for {
		all := served{}
		for _, n := range r.Nodes {
			all.scrape(ctx, t, n.HTTP)
		}
		missing := all.missing(b)
		if len(missing) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s names what no broker serves:\n%s", b.Title, strings.Join(missing, "\n"))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func read(t *testing.T, file string) (b board) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if len(b.Panels) == 0 || b.Title == "" {
		t.Fatalf("%s has no panels or no title", file)
	}
	return b
}

func (s served) scrape(ctx context.Context, t *testing.T, address string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if m := sample.FindStringSubmatch(lines.Text()); m != nil && s[m[1]] == nil {
			s[m[1]] = labels(m[2])
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// labels are the names in a list of labels or matchers.
func labels(list string) []string {
	names := []string{}
	for _, m := range label.FindAllStringSubmatch(list, -1) {
		names = append(names, m[1])
	}
	return names
}

// missing is what a board names and nobody serves.
func (s served) missing(b board) (missing []string) {
	for where, text := range b.queries() {
		metrics := named.FindAllStringSubmatch(text, -1)
		if len(metrics) == 0 {
			missing = append(missing, where+" asks for no metric")
		}
		for _, m := range metrics {
			has, there := s[m[1]]
			if !there {
				missing = append(missing, fmt.Sprintf("%s: %s", where, m[1]))
			}
			for _, name := range labels(m[2]) {
				if there && !slices.Contains(has, name) {
					missing = append(missing, fmt.Sprintf("%s: %s has no label %s", where, m[1], name))
				}
			}
		}
	}
	return missing
}

func (b board) queries() func(yield func(where, text string) bool) {
	return func(yield func(where, text string) bool) {
		for _, v := range b.Templating.List {
			if v.Type == "query" && !yield("variable", v.Query) {
				return
			}
		}
		for _, p := range b.Panels {
			if p.Type != "row" && len(p.Targets) == 0 && !yield(p.Title, "") {
				return
			}
			for _, q := range p.Targets {
				if !yield(p.Title, q.Expr) {
					return
				}
			}
		}
	}
}

func cluster(ctx context.Context, t *testing.T) *rig.Rig {
	r, err := rig.New(rig.Options{Binary: e2e.Binary(t), Dir: t.TempDir(), Nodes: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, n := range r.Nodes {
			if n.Running() {
				n.Kill()
			}
			if t.Failed() {
				t.Logf("broker %d said last:\n%s", n.ID, n.Tail())
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(r.Start(ctx), r.Ready(ctx)); err != nil {
		t.Fatal(err)
	}
	return r
}

// use writes a record, has a stale write refused, and reads in a group.
func use(ctx context.Context, t *testing.T, r *rig.Rig) {
	const topic = "orders"
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.Kafka()...), kgo.DefaultProduceTopic(topic), kgo.ConsumerGroup("billing"),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 3, nil, topic); err != nil {
		t.Fatal(err)
	}
	write := func() error {
		locks := []kgo.RecordHeader{{Key: "lock-write", Value: []byte("acct:7")}, {Key: "lock-basis", Value: []byte("none")}}
		return cl.ProduceSync(ctx, &kgo.Record{Value: []byte("one"), Headers: locks}).FirstErr()
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if err := write(); !errors.Is(err, kerr.PolicyViolation) {
		t.Fatalf("the stale write: %v", err)
	}
	for read := 0; read < 1; {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatal(err)
		}
		read += fetches.NumRecords()
	}
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
}
