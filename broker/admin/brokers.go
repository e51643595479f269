package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// brokerHeader names, in each HTTP answer, the broker that gives it: an address
// that one machine has of itself may be another broker's on the next.
const brokerHeader = "Lockstep-Broker"

// named makes next say which broker it is.
func (h *Server) named(next http.Handler) http.Handler {
	id := strconv.Itoa(int(h.src.ID()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(brokerHeader, id)
		next.ServeHTTP(w, r)
	})
}

// knownBroker is a broker as the metadata has it.
type knownBroker struct {
	ID   protocol.BrokerID `json:"id"`
	Live bool              `json:"live"`
	HTTP string            `json:"http,omitempty"`
}

// knownBrokers is what one broker knows of all.
type knownBrokers struct {
	Broker    protocol.BrokerID `json:"broker"` // who says so
	ClusterID string            `json:"cluster_id"`
	// StaleSince is when the broker last heard from the metadata store, if it
	// does not now: what it says of the others is as of then.
	StaleSince *time.Time    `json:"stale_since,omitempty"`
	Brokers    []knownBroker `json:"brokers"`
}

// brokers lists the live brokers, and those that ought to be.
func (h *Server) brokers(w http.ResponseWriter, _ *http.Request) {
	im := h.src.Metadata().Image()
	out := knownBrokers{Broker: h.src.ID(), ClusterID: im.ClusterID, Brokers: []knownBroker{}}
	if since, gone := h.src.Metadata().StoreGone(); gone {
		since = since.UTC()
		out.StaleSince = &since
	}
	known := map[protocol.BrokerID]bool{}
	for _, b := range im.Brokers() {
		known[b.ID] = true
		out.Brokers = append(out.Brokers, knownBroker{ID: b.ID, Live: true, HTTP: b.HTTP})
	}
	down := func(id protocol.BrokerID) {
		if !known[id] {
			known[id] = true
			out.Brokers = append(out.Brokers, knownBroker{ID: id})
		}
	}
	for _, id := range h.src.Peers() {
		down(id)
	}
	for _, t := range im.Topics() {
		for i := range t.Partitions {
			for _, id := range t.Partitions[i].Replicas {
				down(id)
			}
		}
	}
	slices.SortFunc(out.Brokers, func(a, b knownBroker) int { return cmp.Compare(a.ID, b.ID) })
	reply(w, http.StatusOK, out)
}
