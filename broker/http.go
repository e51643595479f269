package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/protocol"
)

// httpServer answers health, metrics and questions about locks. It changes
// nothing.
type httpServer struct {
	srv *Server
	ln  net.Listener
}

func bindHTTP(s *Server, addr string) (*httpServer, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (http): %w", addr, err)
	}
	return &httpServer{s, ln}, nil
}

const (
	httpHeaderTimeout = 5 * time.Second
	httpIdleTimeout   = time.Minute // a connection without a question gives its place to others
	httpStopTimeout   = 2 * time.Second
	httpHeaderBytes   = 64 << 10
)

// serve runs until ctx ends.
func (h *httpServer) serve(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status/live", h.live)
	mux.HandleFunc("GET /v1/status/ready", h.ready)
	mux.HandleFunc("GET /v1/cluster/health", h.whenReady(h.health))
	mux.HandleFunc("GET /v1/brokers", h.whenReady(h.brokers))
	mux.HandleFunc("GET /v1/locks/{topic}", h.whenReady(h.locks))
	mux.HandleFunc("GET /v1/locks/{topic}/{partition}", h.whenReady(h.check))
	mux.HandleFunc("GET /v1/locks/{topic}/{partition}/{lock}", h.whenReady(h.lock))
	mux.HandleFunc("GET /v1/conflicts", h.whenReady(h.conflicts))
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.srv.metrics.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(h.srv.log.Handler(), slog.LevelWarn),
	}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing at %s %s", r.Method, r.URL.Path)
	})
	server := &http.Server{
		Handler: h.named(mux), ReadHeaderTimeout: httpHeaderTimeout, IdleTimeout: httpIdleTimeout, MaxHeaderBytes: httpHeaderBytes,
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
	err := server.Serve(netutil.LimitListener(h.ln, h.srv.descriptors.http))
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

func (h *httpServer) live(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]string{"status": "live"})
}

func (h *httpServer) ready(w http.ResponseWriter, _ *http.Request) {
	if !h.srv.isReady() {
		fail(w, http.StatusServiceUnavailable, "starting")
		return
	}
	if sick := h.srv.sick(); len(sick) > 0 {
		fail(w, http.StatusServiceUnavailable, "%d partitions are not served; the first: %s", len(sick), sick[0])
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (h *httpServer) whenReady(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.srv.isReady() {
			fail(w, http.StatusServiceUnavailable, "starting")
			return
		}
		f(w, r)
	}
}

// lock answers who wrote a lock last. The name stands in the path as a header
// has it, percent-encoded once more where the path needs it.
func (h *httpServer) lock(w http.ResponseWriter, r *http.Request) {
	_, p, ok := h.partition(w, r.PathValue("topic"), r.PathValue("partition"))
	if !ok {
		return
	}
	item, err := protocol.ParseLockName(r.PathValue("lock"))
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	state, err := p.Lock(item)
	switch {
	case err != nil:
		fail(w, http.StatusServiceUnavailable, "%v", err)
	case state.Last == protocol.None:
		fail(w, http.StatusNotFound, "lock %q was never written in %s-%s", item.Raw, r.PathValue("topic"), r.PathValue("partition"))
	default:
		reply(w, http.StatusOK, struct {
			Lock    string          `json:"lock"`
			Last    protocol.Offset `json:"last"`
			By      string          `json:"by"`
			Refused uint64          `json:"refused"`
		}{string(item.Raw), state.Last, state.By, state.Refused})
	}
}

// partition finds a hosted partition, or answers why there is none.
func (h *httpServer) partition(w http.ResponseWriter, name, number string) (*partitions.Topic, *partitions.Partition, bool) {
	index, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		fail(w, http.StatusBadRequest, "partition %q is not a number", number)
		return nil, nil, false
	}
	t := h.srv.hosted.Topic(name)
	p := t.Partition(int32(index))
	if !p.IsOpen() {
		fail(w, http.StatusNotFound, "no partition %s-%d on this broker", name, index)
		return nil, nil, false
	}
	return t, p, true
}

// topic finds a topic of the cluster, be it hosted here or not.
func (h *httpServer) topic(w http.ResponseWriter, name string) (*coordinator.Topic, bool) {
	t, ok := h.srv.cluster.Image().Topic(name)
	if !ok {
		fail(w, http.StatusNotFound, "topic %q does not exist", name)
	}
	return t, ok
}

// refusedAppend is a refusal as JSON.
type refusedAppend struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Time      time.Time `json:"time"`
	Kind      string    `json:"kind"`
	ID        string    `json:"id,omitempty"`
	Lock      string    `json:"lock,omitempty"`
	Last      *int64    `json:"last,omitempty"`
	Basis     *int64    `json:"basis,omitempty"`
	By        string    `json:"by,omitempty"`
	Record    int32     `json:"record"`
	LogEnd    int64     `json:"log_end"`
	Message   string    `json:"message"`
}

// conflicts lists the latest refusals, oldest first.
func (h *httpServer) conflicts(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name := range q {
		if name != "topic" && name != "partition" && name != "id" {
			fail(w, http.StatusBadRequest, "parameter %q is unknown; known are topic, partition and id", name)
			return
		}
	}
	index := int64(-1)
	if text := q.Get("partition"); text != "" {
		var err error
		if index, err = strconv.ParseInt(text, 10, 32); err != nil || index < 0 {
			fail(w, http.StatusBadRequest, "partition %q is not a number", text)
			return
		}
	}
	if name := q.Get("topic"); name != "" {
		t, ok := h.topic(w, name)
		switch {
		case !ok:
			return
		case index >= int64(len(t.Partitions)):
			fail(w, http.StatusNotFound, "topic %q has no partition %d; it has %d", name, index, len(t.Partitions))
			return
		}
	}
	reply(w, http.StatusOK, h.srv.latestRefusals(q, int32(index)))
}

func (s *Server) latestRefusals(q url.Values, index int32) []refusedAppend {
	out := []refusedAppend{}
	s.hosted.Each(func(t *partitions.Topic, p *partitions.Partition) {
		if name := q.Get("topic"); name != "" && name != t.Name || index >= 0 && index != p.Index {
			return
		}
		latest, _ := p.Refusals()
		for i := range latest {
			e := &latest[i]
			if id := q.Get("id"); id == "" || id == e.ID || id == e.Refusal.ID {
				out = append(out, asJSON(t.Name, p.Index, e))
			}
		}
	})
	sortByTime(out)
	return out
}
