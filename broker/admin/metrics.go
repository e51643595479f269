package admin

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Counter is a metric that only grows.
type Counter interface {
	Inc()
	Add(float64)
}

// Gauge is a metric that goes up and down.
type Gauge interface {
	Inc()
	Dec()
}

// Metrics are what is counted where it happens, and the registry of all metrics.
// What is looked up by label is resolved when a topic appears, so that the hot path
// only adds.
type Metrics struct {
	TurnedAway  Counter // connections
	BadRequests Counter
	Panics      Counter
	// ReplicationIn and ReplicationOut are bytes of record batches between brokers.
	ReplicationIn, ReplicationOut Counter

	registry     *prometheus.Registry
	requests     *prometheus.CounterVec
	requestTime  *prometheus.HistogramVec
	byAPI        map[int16]*apiMetrics
	connections  *prometheus.GaugeVec
	fsync        prometheus.Histogram
	produceBytes *prometheus.CounterVec
	produceRecs  *prometheus.CounterVec
	fetchBytes   *prometheus.CounterVec
	conflicts    *prometheus.CounterVec
	distance     *prometheus.HistogramVec
	elections    prometheus.Counter
	isrShrinks   prometheus.Counter
	isrExpands   prometheus.Counter
}

// apiMetrics are those of one API.
type apiMetrics struct {
	time prometheus.Observer
	ok   prometheus.Counter
	name string
}

// TopicMetrics are those of one topic. What became of batches with lock headers is
// counted by outcome.
type TopicMetrics struct {
	FetchedBytes Counter
	Accepted     Counter
	Carried      Counter // not judged: the topic holds copies
	Repeated     Counter // by sequence or lock-id
	WrongAcks    Counter // lock headers without acks=all
	produceBytes prometheus.Counter
	produceRecs  prometheus.Counter
	refusedBy    map[protocol.RefusalKind]prometheus.Counter
	distance     prometheus.Observer
}

// NewMetrics makes the metrics of a broker.
func NewMetrics(src Source) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), byAPI: map[int16]*apiMetrics{}}
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	m.registry.MustRegister(collectors.NewGoCollector(), process)
	m.registerRequests()
	m.registerTopics()
	m.registerReplication()
	m.registry.MustRegister(&partitionCollector{src}, &groupCollector{src}, &txnCollector{src}, &storeCollector{src}, &lagCollector{src}, &fetchSessionCollector{src})
	return m
}

func (m *Metrics) registerRequests() {
	m.requests = m.counters("requests_total",
		"Requests answered, by API and by the first error in the answer.", "api", "error")
	m.requestTime = m.histograms("request_duration_seconds", "From a request's first byte to its answer.",
		prometheus.ExponentialBuckets(50e-6, 2.5, 14), "api")
	m.connections = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "connections", Help: "Open connections of clients.",
	}, []string{"listener"})
	m.registry.MustRegister(m.connections)
	m.TurnedAway = m.counter("connections_turned_away_total", "Connections closed at once because there were too many.")
	m.BadRequests = m.counter("bad_requests_total", "Connections closed because of what their client sent.")
	m.Panics = m.counter("handler_panics_total", "Bugs: handlers that panicked.")
	for _, api := range protocol.APIs() {
		time, ok := m.requestTime.WithLabelValues(api.Name), m.requests.WithLabelValues(api.Name, "NONE")
		m.byAPI[api.Key] = &apiMetrics{time, ok, api.Name}
	}
}

func (m *Metrics) registerTopics() {
	m.produceBytes = m.counters("produce_bytes_total", "Bytes of record batches appended.", "topic")
	m.produceRecs = m.counters("records_produced_total", "Records appended.", "topic")
	m.fetchBytes = m.counters("fetch_bytes_total", "Bytes of record batches fetched.", "topic")
	m.conflicts = m.counters("conflict_appends_total",
		"Batches with lock headers, by what became of them.", "topic", "result")
	m.distance = m.histograms("conflict_basis_distance_records",
		"How far the basis of a refused append lay behind the lock's last write.",
		prometheus.ExponentialBuckets(1, 4, 10), "topic")
}

func (m *Metrics) registerReplication() {
	m.fsync = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "append_fsync_duration_seconds", Help: "One sync of a partition's log.",
		Buckets: prometheus.ExponentialBuckets(25e-6, 2, 16),
	})
	m.registry.MustRegister(m.fsync)
	m.elections = m.counter("leader_elections_total",
		"Leader epochs of partitions that this broker was elected to lead.")
	m.isrShrinks = m.counter("isr_shrinks_total",
		"Changes by which this broker, as a leader, took replicas out of sync.")
	m.isrExpands = m.counter("isr_expands_total",
		"Changes by which this broker, as a leader, took replicas into sync.")
	m.ReplicationIn = m.counter("replication_bytes_in_total", "Bytes of record batches fetched from leaders.")
	m.ReplicationOut = m.counter("replication_bytes_out_total", "Bytes of record batches sent to followers.")
}

const namespace = "lockstep"

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
	}, labels)
	m.registry.MustRegister(h)
	return h
}

// Gatherer reads all metrics as a scrape does.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// handler answers a scrape.
func (m *Metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	})
}

// Connections counts the open ones of a listener.
func (m *Metrics) Connections(listener string) Gauge { return m.connections.WithLabelValues(listener) }

// Topic implements partitions.Metrics: it resolves one topic's TopicMetrics.
func (m *Metrics) Topic(name string) any {
	result := func(what string) prometheus.Counter { return m.conflicts.WithLabelValues(name, what) }
	return &TopicMetrics{
		produceBytes: m.produceBytes.WithLabelValues(name),
		produceRecs:  m.produceRecs.WithLabelValues(name),
		FetchedBytes: m.fetchBytes.WithLabelValues(name),
		Accepted:     result("accepted"),
		Carried:      result("carried"),
		Repeated:     result("repeated"),
		WrongAcks:    result("wrong_acks"),
		distance:     m.distance.WithLabelValues(name),
		refusedBy: map[protocol.RefusalKind]prometheus.Counter{
			protocol.RefusalConflict:  result("refused"),
			protocol.RefusalUnknown:   result("unknown"),
			protocol.RefusalDuplicate: result("duplicate"),
			protocol.RefusalMalformed: result("malformed"),
			protocol.RefusalHeld:      result("held"),
		},
	}
}

// ForgetTopic implements partitions.Metrics.
func (m *Metrics) ForgetTopic(name string) {
	labels := prometheus.Labels{"topic": name}
	for _, v := range []*prometheus.CounterVec{m.produceBytes, m.produceRecs, m.fetchBytes, m.conflicts} {
		v.DeletePartialMatch(labels)
	}
	m.distance.DeletePartialMatch(labels)
}

// LogSynced implements partitions.Metrics.
func (m *Metrics) LogSynced(seconds float64) { m.fsync.Observe(seconds) }

// Elected implements partitions.Metrics.
func (m *Metrics) Elected() { m.elections.Inc() }

// ISRChanged implements partitions.Metrics.
func (m *Metrics) ISRChanged(grown bool) {
	if grown {
		m.isrExpands.Inc()
	} else {
		m.isrShrinks.Inc()
	}
}

// Answered counts a request whose answer was sent, with the first error in it; 0 is none.
func (m *Metrics) Answered(apiKey int16, took time.Duration, code int16) {
	a := m.byAPI[apiKey]
	if a == nil {
		return
	}
	a.time.Observe(took.Seconds())
	if code == 0 {
		a.ok.Inc()
		return
	}
	m.requests.WithLabelValues(a.name, errorName(code)).Inc()
}

// errorName is Kafka's name of a code.
func errorName(code int16) string {
	if e, ok := kerr.ErrorForCode(code).(*kerr.Error); ok {
		return e.Message
	}
	return strconv.Itoa(int(code))
}

// Produced counts an appended batch.
func (m *TopicMetrics) Produced(b record.Batch) {
	m.produceBytes.Add(float64(b.Size()))
	m.produceRecs.Add(float64(b.Count()))
}

// Refused counts a refusal.
func (m *TopicMetrics) Refused(r *protocol.Refusal) {
	m.refusedBy[r.Kind].Inc()
	if r.Kind == protocol.RefusalConflict && !r.LastInBatch {
		m.distance.Observe(float64(r.Last - r.Basis))
	}
}
