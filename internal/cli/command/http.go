package command

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

// HTTP is the HTTP side of one broker or several.
type HTTP struct {
	list    string // as typed
	typed   func() bool
	timeout time.Duration
	client  http.Client
}

// Flags adds --http and --timeout.
func (h *HTTP) Flags(cmd *cobra.Command, s *Streams) {
	def := defaultHTTP
	if v := s.getenv(envHTTP); v != "" {
		def = v
	}
	addTimeoutFlag(cmd, &h.timeout)
	cmd.Flags().StringVar(&h.list, "http", def, "`HOST:PORT,...` of the HTTP side of brokers; also LOCKSTEP_HTTP")
	h.typed = func() bool { return cmd.Flags().Changed("http") }
}

// Addrs are the addresses, by the rule of the setting http: LOCKSTEP_HTTP is where
// a broker's HTTP side is, for the broker that opens it and for whoever asks. An
// address of every interface is this machine's.
func (h *HTTP) Addrs(cmd *cobra.Command) ([]string, error) {
	from := Given{h.list, "flag --http"}
	if !h.typed() {
		from.From = "environment variable " + envHTTP
	}
	var addrs []string
	for _, item := range SplitList(h.list) {
		l, err := ParseHostPort(item)
		if err != nil {
			return nil, Usagef(cmd, "%s: %w", DescribeSetting("http", from), err)
		}
		if l.Wildcard() {
			l.Host = loopbackOf(l.Host)
		}
		addrs = append(addrs, l.Addr())
	}
	if len(addrs) == 0 {
		return nil, Usagef(cmd, "%s: want HOST:PORT", DescribeSetting("http", from))
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

// StatusError is an answer that is not 200, with the server's own words.
type StatusError struct {
	status int
	text   string
	body   []byte
}

// Error is the server's text, or else the status.
func (e *StatusError) Error() string {
	if e.text == "" {
		return http.StatusText(e.status)
	}
	return e.text
}

// HTTPAnswer is a JSON answer and whose it is.
type HTTPAnswer struct {
	addr   string
	broker int32 // noBroker: it did not say
	Body   []byte
}

const noBroker = -1

// BrokerHeader is in which header brokers say who they are.
const BrokerHeader = "Lockstep-Broker"

// Get fetches a JSON answer. The parts of the path are escaped each on its own,
// because a lock's name may hold any sign, the slash among them.
func (h *HTTP) Get(ctx context.Context, addr string, query url.Values, parts ...string) (HTTPAnswer, error) {
	a := HTTPAnswer{addr: addr, broker: noBroker}
	target := "http://" + addr
	for _, p := range parts {
		target += "/" + url.PathEscape(p)
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	ctx, cancel := Within(ctx, h.timeout)
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
	if id, err := strconv.ParseInt(resp.Header.Get(BrokerHeader), 10, 32); err == nil {
		a.broker = int32(id)
	}
	a.Body, err = io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return a, unreachableHTTP(addr, err)
	}
	if resp.StatusCode == http.StatusOK {
		return a, nil
	}
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(a.Body, &said) // an answer without words still has its status
	return a, &StatusError{resp.StatusCode, said.Error, a.Body}
}

// GetAny asks one address after the other until one answers, whatever it says.
func (h *HTTP) GetAny(ctx context.Context, addrs []string, query url.Values, parts ...string) (a HTTPAnswer, err error) {
	var first error
	for _, addr := range addrs {
		a, err = h.Get(ctx, addr, query, parts...)
		var status *StatusError
		if err == nil || errors.As(err, &status) || ctx.Err() != nil {
			return a, err
		}
		if first == nil {
			first = err
		}
	}
	return a, first
}

// Into reads an answer into v.
func (a HTTPAnswer) Into(v any) error {
	if err := json.Unmarshal(a.Body, v); err != nil {
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

// IsStatus reports whether an error is an answer with a certain status.
func IsStatus(err error, status int) bool {
	var s *StatusError
	return errors.As(err, &s) && s.status == status
}
