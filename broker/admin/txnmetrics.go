package admin

import "github.com/prometheus/client_golang/prometheus"

var (
	descTransactionalIDs = prometheus.NewDesc("lockstep_transactional_ids",
		"Transactional ids that this broker coordinates, by state.", []string{"state"}, nil)
	descMarkersPending = prometheus.NewDesc("lockstep_transaction_markers_pending",
		"Markers of transactions that this broker coordinates and whose leaders have not written them yet.", nil, nil)
)

// Transactions are those that a broker coordinates.
type Transactions struct {
	IDs            map[string]int // how many transactional ids are in each state
	MarkersPending int
}

// txnCollector asks the coordinators of transactions when it is asked.
type txnCollector struct{ src Source }

// Describe sends nothing, as with groups.
func (c *txnCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *txnCollector) Collect(out chan<- prometheus.Metric) {
	if !c.src.Ready() {
		return
	}
	gauge := gaugesTo(out)
	all := c.src.Transactions()
	for state, n := range all.IDs {
		gauge(descTransactionalIDs, float64(n), state)
	}
	gauge(descMarkersPending, float64(all.MarkersPending))
}
