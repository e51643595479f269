package admin

import "github.com/prometheus/client_golang/prometheus"

// fetchSessionCollector tells of the fetch sessions of consumers, as Kafka's metrics
// NumIncrementalFetchSessions, NumIncrementalFetchPartitionsCached and
// IncrementalFetchSessionEvictionsPerSec do.
type fetchSessionCollector struct{ src Source }

var (
	descFetchSessions = prometheus.NewDesc(namespace+"_fetch_sessions",
		"Fetch sessions of consumers.", nil, nil)
	descFetchPartitions = prometheus.NewDesc(namespace+"_fetch_session_partitions",
		"Partitions in all fetch sessions of consumers.", nil, nil)
	descFetchEvictions = prometheus.NewDesc(namespace+"_fetch_session_evictions_total",
		"Fetch sessions that others took the place of.", nil, nil)
)

// Describe sends nothing, as of all that is read of the broker.
func (c *fetchSessionCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the broker.
func (c *fetchSessionCollector) Collect(out chan<- prometheus.Metric) {
	if !c.src.Ready() {
		return
	}
	st := c.src.FetchSessions()
	gauge := gaugesTo(out)
	gauge(descFetchSessions, float64(st.Sessions))
	gauge(descFetchPartitions, float64(st.Partitions))
	out <- prometheus.MustNewConstMetric(descFetchEvictions, prometheus.CounterValue, float64(st.Evictions))
}
