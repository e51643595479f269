package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthIsTheBrokersReadinessAndTheClustersWord(t *testing.T) {
	for _, c := range []struct {
		readyStatus, clusterStatus int
		ready, cluster             string
		code                       int
		out                        string
	}{
		{200, 200, `{}`, `{"healthy":true}`, exitDone, "READY    yes\nhealthy  true\n"},
		{200, 200, `{}`, `{"brokers":1}`, exitDone, "READY    yes\nbrokers  1\n"},
		{200, 503, `{}`, `{"healthy":false,"reasons":["a/0 has no leader"]}`, exitError, "READY    yes\nhealthy  false\nreasons  [\"a/0 has no leader\"]\n"},
		{503, 200, `{"error":"a/0 has no leader"}`, `{"healthy":true}`, exitError, "READY    no: a/0 has no leader\nhealthy  true\n"},
		{503, 404, `gone`, `gone`, exitError, "READY  no: Service Unavailable\n"},
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status, body := c.clusterStatus, c.cluster
			if r.URL.Path == "/v1/status/ready" {
				status, body = c.readyStatus, c.ready
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		s := quiet("LOCKSTEP_HTTP=" + strings.TrimPrefix(web.URL, "http://"))
		if code := execute(context.Background(), []string{"health"}, s); code != c.code {
			t.Errorf("%+v: exit code %d", c, code)
		}
		if got := s.out.(*bytes.Buffer).String(); got != c.out {
			t.Errorf("%+v: got %q", c, got)
		}
		web.Close()
	}
}
