package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const (
	defaultHTTP    = "127.0.0.1:9644"
	answerBytesMax = 16 << 20
)

// httpAPI is a broker's HTTP side.
type httpAPI struct {
	addr    string
	timeout time.Duration
	client  http.Client
}

func (h *httpAPI) flags(cmd *cobra.Command, s *streams) {
	def := defaultHTTP
	if v := environment(s.environ)["LOCKSTEP_HTTP"]; v != "" {
		def = v
	}
	addTimeoutFlag(cmd, &h.timeout)
	cmd.Flags().StringVar(&h.addr, "http", def, "`HOST:PORT` of the broker's HTTP side; also LOCKSTEP_HTTP")
}

// statusError is an answer that is not 200, with the server's own words.
type statusError struct {
	status int
	text   string
	body   []byte
}

func (e *statusError) Error() string {
	if e.text == "" {
		return http.StatusText(e.status)
	}
	return e.text
}

// get fetches a JSON answer. The parts of the path are escaped each on its own,
// because a lock's name may hold any sign, the slash among them.
func (h *httpAPI) get(ctx context.Context, query url.Values, parts ...string) ([]byte, error) {
	target := "http://" + h.addr
	for _, p := range parts {
		target += "/" + url.PathEscape(p)
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	ctx, cancel := within(ctx, h.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, h.unreachable(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return body, nil
	}
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &said) // an answer without words still has its status
	return nil, &statusError{resp.StatusCode, said.Error, body}
}

// getInto fetches a JSON answer into v.
func (h *httpAPI) getInto(ctx context.Context, v any, query url.Values, parts ...string) error {
	body, err := h.get(ctx, query, parts...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("the answer of %s is not what was expected: %w; is it a Lockstep HTTP address?", h.addr, err)
	}
	return nil
}

func (h *httpAPI) unreachable(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("cannot reach HTTP at %s: connection refused; name the broker's HTTP address with --http", h.addr)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("cannot reach HTTP at %s: no answer in time", h.addr)
	}
	return fmt.Errorf("cannot reach HTTP at %s: %w", h.addr, err)
}

func isNotFound(err error) bool {
	var s *statusError
	return errors.As(err, &s) && s.status == http.StatusNotFound
}
