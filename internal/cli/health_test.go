package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

func TestHealthIsTheBrokersReadinessAndShowsTheClustersWord(t *testing.T) {
	for _, c := range []struct {
		readyStatus, clusterStatus int
		ready, cluster             string
		code                       int
		out                        string
	}{
		{200, 200, `{}`, `{"healthy":true}`, command.ExitDone, "LIVE     yes\nREADY    yes\nhealthy  true\n"},
		{200, 200, `{}`, `{"brokers":1}`, command.ExitDone, "LIVE     yes\nREADY    yes\nbrokers  1\n"},
		{200, 503, `{}`, `{"healthy":false,"reasons":["a/0 has no leader"]}`, command.ExitDone,
			"LIVE     yes\nREADY    yes\nhealthy  false\nreasons  [\"a/0 has no leader\"]\n"},
		{503, 200, `{"error":"a/0 has no leader"}`, `{"healthy":true}`, command.ExitError, "LIVE     yes\nREADY    no: " +
			"a/0 has no leader\nhealthy  true\n"},
		{503, 404, `gone`, `gone`, command.ExitError, "LIVE   yes\nREADY  no: Service Unavailable\n"},
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status, body := c.clusterStatus, c.cluster
			switch r.URL.Path {
			case "/v1/status/live":
				status, body = http.StatusOK, `{}`
			case "/v1/status/ready":
				status, body = c.readyStatus, c.ready
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		s := commandtest.Quiet("LOCKSTEP_HTTP=" + strings.TrimPrefix(web.URL, "http://"))
		if code := execute(context.Background(), []string{"health"}, s); code != c.code {
			t.Errorf("%+v: exit code %d", c, code)
		}
		if got := s.Out.(*bytes.Buffer).String(); got != c.out {
			t.Errorf("%+v: got %q", c, got)
		}
		s = commandtest.Quiet(s.Environ...)
		if code := execute(context.Background(), []string{"health", "--live"}, s); code != command.ExitDone ||
			s.Out.(*bytes.Buffer).String() != "LIVE  yes\n" {
			t.Errorf("%+v: it does not live: exit code %d, %s", c, code, s.Out)
		}
		web.Close()
	}
}
