package broker

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// metrics are the broker's own, in a registry of its own. What is looked up by
// label is resolved when a topic appears, so that the hot path only adds.
type metrics struct {
	registry *prometheus.Registry

	requests     *prometheus.CounterVec
	requestTime  *prometheus.HistogramVec
	byAPI        map[int16]*apiMetrics
	connections  *prometheus.GaugeVec
	turnedAway   prometheus.Counter
	badRequests  prometheus.Counter
	panics       prometheus.Counter
	fsync        prometheus.Histogram
	produceBytes *prometheus.CounterVec
	produceRecs  *prometheus.CounterVec
	fetchBytes   *prometheus.CounterVec
	conflicts    *prometheus.CounterVec
	distance     *prometheus.HistogramVec
	elections    prometheus.Counter
	isrShrinks   prometheus.Counter
	isrExpands   prometheus.Counter

	replicatedIn, replicatedOut prometheus.Counter
}

// apiMetrics are those of one API.
type apiMetrics struct {
	time prometheus.Observer
	ok   prometheus.Counter
	name string
}

// topicMetrics are those of one topic.
type topicMetrics struct {
	produceBytes prometheus.Counter
	produceRecs  prometheus.Counter
	fetchBytes   prometheus.Counter
	accepted     prometheus.Counter
	carried      prometheus.Counter // not judged: the topic holds copies
	repeated     prometheus.Counter // by sequence or lock-id
	wrongAcks    prometheus.Counter // lock headers without acks=all
	refusedBy    map[protocol.RefusalKind]prometheus.Counter
	distance     prometheus.Observer
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry:     prometheus.NewRegistry(),
		requests:     counters("requests_total", "Requests answered, by API and by the first error in the answer.", "api", "error"),
		requestTime:  histograms("request_duration_seconds", "From a request's first byte to its answer.", prometheus.ExponentialBuckets(50e-6, 2.5, 14), "api"),
		connections:  gauges("connections", "Open connections of clients.", "listener"),
		turnedAway:   counter("connections_turned_away_total", "Connections closed at once because there were too many."),
		badRequests:  counter("bad_requests_total", "Connections closed because of what their client sent."),
		panics:       counter("handler_panics_total", "Bugs: handlers that panicked."),
		fsync:        prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "append_fsync_duration_seconds", Help: "One sync of a partition's log.", Buckets: prometheus.ExponentialBuckets(25e-6, 2, 16)}),
		produceBytes: counters("produce_bytes_total", "Bytes of record batches appended.", "topic"),
		produceRecs:  counters("records_produced_total", "Records appended.", "topic"),
		fetchBytes:   counters("fetch_bytes_total", "Bytes of record batches fetched.", "topic"),
		conflicts:    counters("conflict_appends_total", "Batches with lock headers, by what became of them.", "topic", "result"),
		distance:     histograms("conflict_basis_distance_records", "How far the basis of a refused append lay behind the lock's last write.", prometheus.ExponentialBuckets(1, 4, 10), "topic"),
		elections:    counter("leader_elections_total", "Leader epochs of partitions that this broker was elected to lead."),
		isrShrinks:   counter("isr_shrinks_total", "Changes by which this broker, as a leader, took replicas out of sync."),
		isrExpands:   counter("isr_expands_total", "Changes by which this broker, as a leader, took replicas into sync."),
		byAPI:        map[int16]*apiMetrics{},

		replicatedIn:  counter("replication_bytes_in_total", "Bytes of record batches fetched from leaders."),
		replicatedOut: counter("replication_bytes_out_total", "Bytes of record batches sent to followers."),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.requestTime, m.connections, m.turnedAway, m.badRequests, m.panics, m.fsync,
		m.produceBytes, m.produceRecs, m.fetchBytes, m.conflicts, m.distance, m.elections, m.isrShrinks, m.isrExpands, m.replicatedIn, m.replicatedOut, &lagCollector{s}, &partitionCollector{s}, &groupCollector{s}, &storeCollector{s},
	)
	for _, api := range protocol.APIs() {
		m.byAPI[api.Key] = &apiMetrics{m.requestTime.WithLabelValues(api.Name), m.requests.WithLabelValues(api.Name, "NONE"), api.Name}
	}
	return m
}

const namespace = "lockstep"

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// metricsOf are those of a hosted topic.
func metricsOf(t *partitions.Topic) *topicMetrics { return t.Metrics.(*topicMetrics) }

// Topic implements partitions.Metrics: it resolves one topic's metrics.
func (m *metrics) Topic(name string) any {
	return &topicMetrics{
		produceBytes: m.produceBytes.WithLabelValues(name),
		produceRecs:  m.produceRecs.WithLabelValues(name),
		fetchBytes:   m.fetchBytes.WithLabelValues(name),
		accepted:     m.conflicts.WithLabelValues(name, "accepted"),
		carried:      m.conflicts.WithLabelValues(name, "carried"),
		repeated:     m.conflicts.WithLabelValues(name, "repeated"),
		wrongAcks:    m.conflicts.WithLabelValues(name, "wrong_acks"),
		distance:     m.distance.WithLabelValues(name),
		refusedBy: map[protocol.RefusalKind]prometheus.Counter{
			protocol.RefusalConflict:  m.conflicts.WithLabelValues(name, "refused"),
			protocol.RefusalUnknown:   m.conflicts.WithLabelValues(name, "unknown"),
			protocol.RefusalDuplicate: m.conflicts.WithLabelValues(name, "duplicate"),
			protocol.RefusalMalformed: m.conflicts.WithLabelValues(name, "malformed"),
		},
	}
}

// ForgetTopic implements partitions.Metrics.
func (m *metrics) ForgetTopic(name string) {
	labels := prometheus.Labels{"topic": name}
	for _, v := range []*prometheus.CounterVec{m.produceBytes, m.produceRecs, m.fetchBytes, m.conflicts} {
		v.DeletePartialMatch(labels)
	}
	m.distance.DeletePartialMatch(labels)
}

// LogSynced implements partitions.Metrics.
func (m *metrics) LogSynced(seconds float64) { m.fsync.Observe(seconds) }

// Elected implements partitions.Metrics.
func (m *metrics) Elected() { m.elections.Inc() }

// ISRChanged implements partitions.Metrics.
func (m *metrics) ISRChanged(grown bool) {
	if grown {
		m.isrExpands.Inc()
	} else {
		m.isrShrinks.Inc()
	}
}

// answered counts a request whose answer was sent.
func (m *metrics) answered(x *transport.Exchange) {
	a := m.byAPI[x.Header.Key]
	if a == nil {
		return
	}
	a.time.Observe(sinceSeconds(x.Began))
	if f, ok := x.Answer().(*fetched); ok {
		f.count()
	}
	code := int16(0)
	if e, ok := x.Answer().(interface{ firstError() int16 }); ok {
		code = e.firstError()
	}
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

// produced counts an appended batch.
func (m *topicMetrics) produced(b record.Batch) {
	m.produceBytes.Add(float64(b.Size()))
	m.produceRecs.Add(float64(b.Count()))
}

// refused counts a refusal.
func (m *topicMetrics) refused(r *protocol.Refusal) {
	m.refusedBy[r.Kind].Inc()
	if r.Kind == protocol.RefusalConflict && !r.LastInBatch {
		m.distance.Observe(float64(r.Last - r.Basis))
	}
}

// partitionCollector reads the partitions when it is asked: gauges by
// kafka_exporter's names, so that dashboards made for it work, and the few
// hottest locks.
type partitionCollector struct{ srv *Server }

var (
	topicLabels     = []string{"topic"}
	partitionLabels = []string{"topic", "partition"}

	descBrokers    = prometheus.NewDesc("kafka_brokers", "Number of brokers in the cluster.", nil, nil)
	descPartitions = prometheus.NewDesc("kafka_topic_partitions", "Number of partitions of the topic.", topicLabels, nil)
	descCurrent    = prometheus.NewDesc("kafka_topic_partition_current_offset", "Offset that the next record will get.", partitionLabels, nil)
	descOldest     = prometheus.NewDesc("kafka_topic_partition_oldest_offset", "Oldest offset that is kept.", partitionLabels, nil)
	descInSync     = prometheus.NewDesc("kafka_topic_partition_in_sync_replica", "Number of in-sync replicas.", partitionLabels, nil)
	descReplicas   = prometheus.NewDesc("kafka_topic_partition_replicas", "Number of replicas.", partitionLabels, nil)
	descLeader     = prometheus.NewDesc("kafka_topic_partition_leader", "Id of the leader.", partitionLabels, nil)
	descPreferred  = prometheus.NewDesc("kafka_topic_partition_leader_is_preferred", "1 if the preferred replica leads.", partitionLabels, nil)
	descUnder      = prometheus.NewDesc("kafka_topic_partition_under_replicated_partition", "1 if a replica is not in sync.", partitionLabels, nil)

	descHW      = prometheus.NewDesc("lockstep_partition_high_watermark", "Offset below which records are committed.", partitionLabels, nil)
	descLed     = prometheus.NewDesc("lockstep_partitions_led", "Partitions that this broker leads.", nil, nil)
	descLagging = prometheus.NewDesc("lockstep_partitions_under_replicated", "Partitions that this broker leads and that have replicas out of sync.", nil, nil)
	descUnsafe  = prometheus.NewDesc("lockstep_partitions_under_min_isr", "Partitions that this broker leads and that take no writes with acks=all.", nil, nil)
	descNoOne   = prometheus.NewDesc("lockstep_partitions_leaderless", "Partitions of the cluster that nobody leads.", nil, nil)
	descRules   = prometheus.NewDesc("lockstep_controller", "1 if this broker is the controller.", nil, nil)
	descStore   = prometheus.NewDesc("lockstep_metadata_store_available", "1 if the metadata can change: the store answers, has its quorum, and is not full.", nil, nil)
	descOffline = prometheus.NewDesc("lockstep_partitions_offline", "Partitions that this broker should serve and cannot.", nil, nil)
	descFree    = prometheus.NewDesc("lockstep_disk_free_bytes", "Free bytes on the data directory's disk.", nil, nil)
	descLocks   = prometheus.NewDesc("lockstep_conflict_window_bytes", "Memory that the lock windows of all partitions hold.", nil, nil)
	descHot     = prometheus.NewDesc("lockstep_conflict_hot_lock_refusals", "Refusals of the ten most refused locks.", []string{"topic", "lock"}, nil)
)

// Describe sends nothing: the set of metrics depends on the topics.
func (c *partitionCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the image and the partitions.
func (c *partitionCollector) Collect(out chan<- prometheus.Metric) {
	select {
	case <-c.srv.ready:
	default:
		return
	}
	gauge := gaugesTo(out)
	im := c.srv.cluster.Image()
	gauge(descBrokers, float64(len(im.Brokers())))
	var led, lagging, unsafe, leaderless, offline int
	for _, t := range im.Topics() {
		gauge(descPartitions, float64(len(t.Partitions)), t.Name)
		hosted := c.srv.hosted.TopicByID(t.ID)
		for i := range t.Partitions {
			p := &t.Partitions[i]
			index := strconv.Itoa(int(p.Index))
			gauge(descInSync, float64(len(p.ISR)), t.Name, index)
			gauge(descReplicas, float64(len(p.Replicas)), t.Name, index)
			gauge(descLeader, float64(p.Leader), t.Name, index)
			gauge(descPreferred, oneIf(len(p.Replicas) > 0 && p.Leader == p.Replicas[0]), t.Name, index)
			gauge(descUnder, oneIf(len(p.ISR) < len(p.Replicas)), t.Name, index)
			look := c.srv.lookAt(im, t, p)
			leaderless += countIf(p.Leader == protocol.NoBroker)
			offline += countIf(look.ailment != nil)
			host := hosted.Partition(p.Index)
			if host == nil || look.ailment != nil {
				continue
			}
			if host.State().Role == replica.RoleLeader {
				led++
				lagging += countIf(look.underReplicated())
				unsafe += countIf(look.inSync() < look.minInsync)
			}
			gauge(descCurrent, float64(host.HighWatermark()), t.Name, index)
			gauge(descOldest, float64(host.Start()), t.Name, index)
			gauge(descHW, float64(host.HighWatermark()), t.Name, index)
		}
	}
	gauge(descLed, float64(led))
	gauge(descLagging, float64(lagging))
	gauge(descUnsafe, float64(unsafe))
	gauge(descNoOne, float64(leaderless))
	gauge(descRules, oneIf(im.Controller == c.srv.cfg.NodeID))
	_, gone := c.srv.cluster.StoreGone()
	room, _ := c.srv.cluster.RoomTaken()
	gauge(descStore, oneIf(!gone && !room.Full))
	gauge(descOffline, float64(offline))
	if u, err := c.srv.fs.GetDiskUsage(c.srv.cfg.DataDir); err == nil {
		gauge(descFree, float64(u.AvailBytes))
	}
	gauge(descLocks, float64(c.srv.budget.Used()))
	for _, h := range c.srv.refusals.hottest() {
		gauge(descHot, float64(h.refused), h.topic, h.lock)
	}
}

// gaugesTo sends gauges to a scrape. It is the one door for labels of which a
// client may have chosen the text: what Prometheus could not take would cost the
// whole scrape.
func gaugesTo(out chan<- prometheus.Metric) func(d *prometheus.Desc, v float64, labels ...string) {
	return func(d *prometheus.Desc, v float64, labels ...string) {
		for i := range labels {
			labels[i] = protocol.ValidText(labels[i])
		}
		m, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, v, labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(d, err)
		}
		out <- m
	}
}

func oneIf(b bool) float64 { return float64(countIf(b)) }

func countIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// firstError is the error that the request is counted under.
func (p *producing) firstError() int16 {
	for i := range p.parts {
		switch r := &p.parts[i].Result; {
		case r.Refusal != nil:
			return refusalCode(r.Refusal)
		case r.Err != nil:
			return codeOf(r.Err)
		}
	}
	return 0
}

// count counts the bytes that were fetched, by topic.
func (f *fetched) count() {
	for i := range f.Parts {
		if p := &f.Parts[i]; p.Bytes > 0 {
			metricsOf(f.seen[i].topic).fetchBytes.Add(float64(p.Bytes))
		}
	}
}
