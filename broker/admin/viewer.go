package admin

import (
	"context"
	"net/http"
)

// Viewer is who sent a request, and what he may be shown.
type Viewer interface {
	// MayRead reports whether he may read a topic, and so learn of its locks.
	MayRead(topic string) bool
	// MayDescribeCluster reports whether he may see how the cluster is.
	MayDescribeCluster() bool
	// Anonymous reports whether he has proven nothing, and might.
	Anonymous() bool
}

// everybody is the Viewer where nobody decides who may see what.
type everybody struct{}

func (everybody) MayRead(string) bool      { return true }
func (everybody) MayDescribeCluster() bool { return true }
func (everybody) Anonymous() bool          { return false }

// Everybody is the Viewer of a broker without an authorizer: he is shown everything.
var Everybody Viewer = everybody{}

type viewerKey struct{}

// viewerOf is who sent a request that came through readers, operators or anybody.
func viewerOf(r *http.Request) Viewer {
	v, _ := r.Context().Value(viewerKey{}).(Viewer)
	return v
}

// readers lets those ask that may read the topic in the path. Others are told the
// same of topics that are there and of those that are not.
func (h *Server) readers(f http.HandlerFunc) http.HandlerFunc {
	return h.viewed(func(w http.ResponseWriter, r *http.Request, v Viewer) {
		if name := r.PathValue("topic"); !v.MayRead(name) {
			deny(w, v, "you may not read topic %q", name)
			return
		}
		f(w, r)
	})
}

// operators lets those ask that may describe the cluster.
func (h *Server) operators(f http.HandlerFunc) http.HandlerFunc {
	return h.viewed(func(w http.ResponseWriter, r *http.Request, v Viewer) {
		if !v.MayDescribeCluster() {
			deny(w, v, "you may not describe the cluster")
			return
		}
		f(w, r)
	})
}

// scrapers is operators for metrics, which a broker that starts shows as well: there
// is no topic among them yet.
func (h *Server) scrapers(f http.Handler) http.HandlerFunc {
	guarded := h.operators(f.ServeHTTP)
	return func(w http.ResponseWriter, r *http.Request) {
		if h.src.Ready() {
			guarded(w, r)
			return
		}
		f.ServeHTTP(w, r)
	}
}

// anybody lets everybody ask, and f look at who it is.
func (h *Server) anybody(f http.HandlerFunc) http.HandlerFunc {
	return h.viewed(func(w http.ResponseWriter, r *http.Request, _ Viewer) { f(w, r) })
}

// viewed finds out who sent the request.
func (h *Server) viewed(f func(http.ResponseWriter, *http.Request, Viewer)) http.HandlerFunc {
	return h.whenReady(func(w http.ResponseWriter, r *http.Request) {
		v, err := h.src.Viewer(r)
		if err != nil {
			unauthorized(w, "%v", err)
			return
		}
		f(w, r.WithContext(context.WithValue(r.Context(), viewerKey{}, v)), v)
	})
}

// deny refuses: who has not said who he is may do so, and try again.
func deny(w http.ResponseWriter, v Viewer, format string, args ...any) {
	if v.Anonymous() {
		unauthorized(w, format, args...)
		return
	}
	fail(w, http.StatusForbidden, format, args...)
}

func unauthorized(w http.ResponseWriter, format string, args ...any) {
	w.Header().Set("WWW-Authenticate", `Basic realm="lockstep"`)
	fail(w, http.StatusUnauthorized, format, args...)
}
