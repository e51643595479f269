package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// env is an environment variable, or def.
func env(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}

// refusal is an entry of the broker's conflict history.
type refusal struct {
	Kind, Lock, Message string
	Last, Basis         *int64
}

// justify checks every refusal in the broker's history against the log: the
// record cited names the lock and lies after the basis.
func justify(t testing.TB, b *Broker, topic string, log []*kgo.Record) {
	t.Helper()
	resp, err := http.Get("http://" + b.HTTP + "/v1/conflicts?partition=0&topic=" + topic)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all []refusal
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	at := map[int64]*kgo.Record{}
	for _, r := range log {
		at[r.Offset] = r
	}
	for _, r := range all {
		if r.Kind != "CONFLICT" || r.Last == nil || r.Basis == nil {
			continue
		}
		cited := at[*r.Last]
		if cited == nil || *r.Last <= *r.Basis || !marks(cited, r.Lock) {
			t.Errorf("the log does not justify: %s", r.Message)
		}
	}
}

// marks reports whether the record wrote the lock.
func marks(r *kgo.Record, lock string) bool {
	if lock == "*" {
		return true
	}
	for _, h := range r.Headers {
		if h.Key == "lock-write" || h.Key == "lock-append" {
			for _, item := range strings.Fields(string(h.Value)) {
				name, _, _ := strings.Cut(item, "@")
				if name == lock {
					return true
				}
			}
		}
	}
	return false
}
