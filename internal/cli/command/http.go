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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const (
	httpPort       = "9644"
	defaultHTTP    = "127.0.0.1:" + httpPort
	answerBytesMax = 16 << 20
	envHTTP        = "LOCKSTEP_HTTP"
)

// HTTP is the HTTP side of one broker or several.
type HTTP struct {
	list    string // what --http is, typed or not
	brokers string // what --brokers is
	given   func(flag, variable string) bool
	timeout time.Duration
	client  http.Client
}

// Flags adds --http, --brokers and --timeout.
func (h *HTTP) Flags(cmd *cobra.Command, s *Streams) {
	addBrokersFlag(cmd, s, &h.brokers, "brokers, `HOST:PORT,...`, whose hosts are asked at port 9644 where --http is "+
		"not given; also "+envBrokers)
	addTimeoutFlag(cmd, &h.timeout)
	addHTTPFlag(cmd, s, &h.list, "`HOST:PORT,...` of the HTTP side of brokers; also "+envHTTP)
	h.given = func(flag, variable string) bool { return cmd.Flags().Changed(flag) || s.getenv(variable) != "" }
}

const httpFlag = "http"

func addHTTPFlag(cmd *cobra.Command, s *Streams, to *string, usage string) {
	def := defaultHTTP
	if v := s.getenv(envHTTP); v != "" {
		def = v
	}
	cmd.Flags().StringVar(to, httpFlag, def, usage)
}

// Addrs are the addresses, by the rule of the setting http: LOCKSTEP_HTTP is where
// a broker's HTTP side is, for the broker that opens it and for whoever asks. An
// address of every interface is this machine's. Where only --brokers says which
// cluster is meant, its hosts are asked at the usual port.
func (h *HTTP) Addrs(cmd *cobra.Command) ([]string, error) {
	list := h.list
	if !h.given(httpFlag, envHTTP) && h.given(brokersFlag, envBrokers) {
		list = atHTTPPort(h.brokers)
	}
	addrs, err := httpAddrs(list)
	if err != nil {
		from := Given{list, "flag --" + httpFlag}
		if !cmd.Flags().Changed(httpFlag) {
			from.From = "environment variable " + envHTTP
		}
		return nil, Usagef(cmd, "%s: %w", DescribeSetting("http", from), err)
	}
	return addrs, nil
}

// httpAddrs reads a list of addresses to ask.
func httpAddrs(list string) (addrs []string, err error) {
	for _, item := range SplitList(list) {
		l, err := ParseHostPort(item)
		if err != nil {
			return nil, err
		}
		if l.Wildcard() {
			l.Host = loopbackOf(l.Host)
		}
		addrs = append(addrs, l.Addr())
	}
	if len(addrs) == 0 {
		return nil, errors.New("want HOST:PORT")
	}
	return addrs, nil
}

// atHTTPPort are the hosts of brokers at the usual port of HTTP, each once.
func atHTTPPort(brokers string) string {
	var addrs []string
	for _, item := range SplitList(brokers) {
		host, _, err := net.SplitHostPort(item)
		if err != nil {
			host = item // kgo takes a host alone too
		}
		if addr := net.JoinHostPort(host, httpPort); !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return strings.Join(addrs, ",")
}

// checkHTTP refuses an --http that was typed and is none, also where the command does
// not ask it.
func checkHTTP(cmd *cobra.Command) error {
	f := cmd.Flags().Lookup(httpFlag)
	if f == nil || !f.Changed || f.Value.Type() != "string" {
		return nil
	}
	if _, err := httpAddrs(f.Value.String()); err != nil {
		return Usagef(cmd, "%s: %w", DescribeSetting("http", Given{f.Value.String(), "flag --" + httpFlag}), err)
	}
	return nil
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
func (h *HTTP) GetAny(ctx context.Context, addrs []string, query url.Values,
	parts ...string) (a HTTPAnswer, err error) {
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
