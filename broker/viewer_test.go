package broker

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/coordinator/acl"
)

// setPassword makes a user of SCRAM-SHA-512.
func (w *wire) setPassword(user, password string) {
	salt := []byte("some salt of sixteen")
	salted, err := pbkdf2.Key(sha512.New, password, salt, security.ScramIterationsMin, sha512.Size)
	if err != nil {
		w.t.Fatal(err)
	}
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	req.Upsertions = []kmsg.AlterUserSCRAMCredentialsRequestUpsertion{
		{Name: user, Mechanism: 2, Iterations: security.ScramIterationsMin, Salt: salt, SaltedPassword: salted},
	}
	if r := ask[*kmsg.AlterUserSCRAMCredentialsResponse](w, 0, req).Results[0]; r.ErrorCode != 0 {
		w.t.Fatal(*r.ErrorMessage)
	}
}

// By HTTP nobody is shown locks of a topic that he may not read, nor whether it is
// there. What probes ask is open.
func TestHTTPShowsWhatACLsAllow(t *testing.T) {
	s := startGuarded(t, withStandIns, func(c *Config) {
		c.HTTPAddr = "127.0.0.1:0"
		c.Listeners = append(c.Listeners, Listener{Name: "sasl", Addr: "127.0.0.1:0", Protocol: security.SASLPlaintext, Mechanisms: []string{security.ScramSHA512}})
	})
	root := dial(t, s.Addr("super"))
	root.setPassword("alice", "right")
	for _, name := range []string{"acc-1", "open-1"} {
		root.createTopic(name, 1)
		if p := root.sends(name, lockBatch(t, "lock-append", "secret-lock")); p.ErrorCode != 0 {
			t.Fatal(p.ErrorMessage)
		}
		root.sends(name, lockBatch(t, "lock-write", "secret-lock", "lock-basis", "none"))
	}
	if code := root.allow(rule(acl.TypeTopic, acl.PatternLiteral, "open-1", "ANONYMOUS", acl.OpRead, acl.Allow)); code != 0 {
		t.Fatal(code)
	}
	get := func(path, user string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.HTTPAddr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			name, password, _ := strings.Cut(user, ":")
			req.SetBasicAuth(name, password)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode == http.StatusUnauthorized && resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: it is not said how to prove who one is", path)
		}
		return resp.StatusCode, string(body)
	}
	for _, c := range []struct {
		path, user string
		status     int
	}{
		{"/v1/status/live", "", 200}, {"/v1/status/ready", "", 200},
		{"/v1/locks/acc-1/0/secret-lock", "", 401}, {"/v1/locks/acc-none/0/secret-lock", "", 401},
		{"/v1/locks/acc-1?lock=secret-lock", "", 401}, {"/v1/locks/acc-1/0?read=secret-lock&basis=none", "", 401},
		{"/v1/locks/open-1/0/secret-lock", "", 200}, {"/v1/conflicts?topic=acc-1", "", 401}, {"/v1/conflicts", "", 200},
		{"/v1/cluster/health", "", 401}, {"/v1/brokers", "", 401}, {"/metrics", "", 401},
		{"/v1/locks/open-1/0/secret-lock", "alice:wrong", 401}, {"/v1/conflicts", "root:", 401}, {"/v1/brokers", "nobody:right", 401},
		{"/v1/locks/acc-1/0/secret-lock", "alice:right", 200}, {"/v1/brokers", "alice:right", 200}, {"/v1/locks/open-1/0/secret-lock", "alice:right", 403},
	} {
		status, body := get(c.path, c.user)
		if status != c.status || strings.Contains(body, "acc-1-0") {
			t.Errorf("%s as %q: %d %s", c.path, c.user, status, body)
		}
	}
	if _, body := get("/v1/conflicts", ""); strings.Contains(body, "acc-1") || !strings.Contains(body, "open-1") {
		t.Errorf("refusals: %s", body)
	}
	// Metrics name no locks, for whoever may see them.
	if code := root.allow(rule(acl.TypeCluster, acl.PatternLiteral, acl.ClusterName, "ANONYMOUS", acl.OpDescribe, acl.Allow)); code != 0 {
		t.Fatal(code)
	}
	if status, body := get("/metrics", ""); status != 200 || strings.Contains(body, "secret-lock") {
		t.Errorf("metrics: %d, %d bytes", status, len(body))
	}
}
