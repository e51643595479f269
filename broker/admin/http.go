package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/netutil"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/coordinator/image"
)

// Server answers health, metrics and questions about locks by HTTP.
type Server struct {
	src     Source
	metrics *Metrics
	log     *slog.Logger
	ln      net.Listener
}

// Listen binds an address. Serve answers what comes there.
func Listen(addr string, src Source, metrics *Metrics, log *slog.Logger) (*Server, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (http): %w", addr, err)
	}
	return &Server{src, metrics, log, ln}, nil
}

// Addr is where the server is bound.
func (h *Server) Addr() net.Addr { return h.ln.Addr() }

// Close unbinds a server that does not serve.
func (h *Server) Close() error { return h.ln.Close() }

const (
	httpHeaderTimeout = 5 * time.Second
	httpIdleTimeout   = time.Minute // a connection without a question gives its place to others
	httpStopTimeout   = 2 * time.Second
	httpHeaderBytes   = 64 << 10
)

// Serve answers until ctx ends, over connectionsMax connections at most.
func (h *Server) Serve(ctx context.Context, connectionsMax int) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status/live", h.live)
	mux.HandleFunc("GET /v1/status/ready", h.ready)
	mux.HandleFunc("GET /v1/cluster/health", h.operators(h.health))
	mux.HandleFunc("GET /v1/brokers", h.operators(h.brokers))
	mux.HandleFunc("GET /v1/locks/{topic}", h.readers(h.locks))
	mux.HandleFunc("GET /v1/locks/{topic}/{partition}", h.readers(h.check))
	mux.HandleFunc("GET /v1/locks/{topic}/{partition}/{lock}", h.readers(h.lock))
	mux.HandleFunc("GET /v1/conflicts", h.anybody(h.conflicts))
	mux.Handle("GET /metrics", h.scrapers(h.metrics.handler(h.log)))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing at %s %s", r.Method, r.URL.Path)
	})
	server := &http.Server{
		Handler: h.named(mux), ReadHeaderTimeout: httpHeaderTimeout, IdleTimeout: httpIdleTimeout,
		MaxHeaderBytes: httpHeaderBytes,
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		ctx, cancel := context.WithTimeout(context.Background(), httpStopTimeout)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	})
	err := server.Serve(netutil.LimitListener(h.ln, connectionsMax))
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("http: %w", err)
}

// fail answers with an error as JSON.
func fail(w http.ResponseWriter, status int, format string, args ...any) {
	reply(w, status, struct {
		Error string `json:"error"`
	}{fmt.Sprintf(format, args...)})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func (h *Server) live(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]string{"status": "live"})
}

func (h *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if !h.src.Ready() {
		fail(w, http.StatusServiceUnavailable, "starting")
		return
	}
	if unserved := Unserved(h.src); len(unserved) > 0 {
		fail(w, http.StatusServiceUnavailable, "%d partitions are not served; the first: %s",
			len(unserved), unserved[0])
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (h *Server) whenReady(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.src.Ready() {
			fail(w, http.StatusServiceUnavailable, "starting")
			return
		}
		f(w, r)
	}
}

// partition finds a hosted partition, or answers why there is none.
func (h *Server) partition(
	w http.ResponseWriter, name, number string,
) (*partitions.Topic, *partitions.Partition, bool) {
	index, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		fail(w, http.StatusBadRequest, "partition %q is not a number", number)
		return nil, nil, false
	}
	t := h.src.Hosted().Topic(name)
	p := t.Partition(int32(index))
	if !p.IsOpen() {
		fail(w, http.StatusNotFound, "no partition %s-%d on this broker", name, index)
		return nil, nil, false
	}
	return t, p, true
}

// topic finds a topic of the cluster, be it hosted here or not.
func (h *Server) topic(w http.ResponseWriter, name string) (*image.Topic, bool) {
	t, ok := h.src.Metadata().Image().Topic(name)
	if !ok {
		fail(w, http.StatusNotFound, "topic %q does not exist", name)
	}
	return t, ok
}
