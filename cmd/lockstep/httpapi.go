package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const (
	defaultHTTP    = "127.0.0.1:9644"
	answerBytesMax = 16 << 20
	envHTTP        = "LOCKSTEP_HTTP"
)

// httpAPI is the HTTP side of one broker or several.
type httpAPI struct {
	list    string // as typed
	typed   func() bool
	timeout time.Duration
	client  http.Client
}

func (h *httpAPI) flags(cmd *cobra.Command, s *streams) {
	def := defaultHTTP
	if v := environment(s.environ).value[envHTTP]; v != "" {
		def = v
	}
	addTimeoutFlag(cmd, &h.timeout)
	cmd.Flags().StringVar(&h.list, "http", def, "`HOST:PORT,...` of the HTTP side of brokers; also LOCKSTEP_HTTP")
	h.typed = func() bool { return cmd.Flags().Changed("http") }
}

// addrs are the addresses, by the rule of the setting http: LOCKSTEP_HTTP is where
// a broker's HTTP side is, for the broker that opens it and for whoever asks. An
// address of every interface is this machine's.
func (h *httpAPI) addrs(cmd *cobra.Command) ([]string, error) {
	from := given{h.list, "flag --http"}
	if !h.typed() {
		from.from = "environment variable " + envHTTP
	}
	var addrs []string
	for _, item := range splitList(h.list) {
		l, err := parseHostPort(item)
		if err != nil {
			return nil, usagef(cmd, "%s: %w", describe("http", from), err)
		}
		if l.wildcard() {
			l.Host = loopbackOf(l.Host)
		}
		addrs = append(addrs, l.Addr())
	}
	if len(addrs) == 0 {
		return nil, usagef(cmd, "%s: want HOST:PORT", describe("http", from))
	}
	return addrs, nil
}

// loopbackOf is how to reach what binds every interface, in its family.
func loopbackOf(host string) string {
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return "::1"
	}
	return "127.0.0.1"
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

// httpAnswer is a JSON answer and whose it is.
type httpAnswer struct {
	addr   string
	broker int32 // noBroker: it did not say
	body   []byte
}

const noBroker = -1

// brokerHeader is in which header brokers say who they are.
const brokerHeader = "Lockstep-Broker"

// get fetches a JSON answer. The parts of the path are escaped each on its own,
// because a lock's name may hold any sign, the slash among them.
func (h *httpAPI) get(ctx context.Context, addr string, query url.Values, parts ...string) (httpAnswer, error) {
	a := httpAnswer{addr: addr, broker: noBroker}
	target := "http://" + addr
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
		return a, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return a, unreachableHTTP(addr, err)
	}
	defer resp.Body.Close()
	if id, err := strconv.ParseInt(resp.Header.Get(brokerHeader), 10, 32); err == nil {
		a.broker = int32(id)
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return a, unreachableHTTP(addr, err)
	}
	if resp.StatusCode == http.StatusOK {
		return a, nil
	}
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(a.body, &said) // an answer without words still has its status
	return a, &statusError{resp.StatusCode, said.Error, a.body}
}

// getAny asks one address after the other until one answers, whatever it says.
func (h *httpAPI) getAny(ctx context.Context, addrs []string, query url.Values, parts ...string) (a httpAnswer, err error) {
	var first error
	for _, addr := range addrs {
		a, err = h.get(ctx, addr, query, parts...)
		var status *statusError
		if err == nil || errors.As(err, &status) || ctx.Err() != nil {
			return a, err
		}
		if first == nil {
			first = err
		}
	}
	return a, first
}

// into reads an answer into v.
func (a httpAnswer) into(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("the answer of %s is not what was expected: %w; is it a Lockstep HTTP address?", a.addr, err)
	}
	return nil
}

func unreachableHTTP(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("cannot reach HTTP at %s: connection refused; name the broker's HTTP address with --http", addr)
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("cannot reach HTTP at %s: no answer in time", addr)
	}
	return fmt.Errorf("cannot reach HTTP at %s: %w", addr, err)
}

func isStatus(err error, status int) bool {
	var s *statusError
	return errors.As(err, &s) && s.status == status
}
