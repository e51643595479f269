package admin

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// partitionCollector reads the partitions when it is asked: gauges by
// kafka_exporter's names, so that dashboards made for it work, and the few
// hottest locks.
type partitionCollector struct{ src Source }

var (
	topicLabels     = []string{"topic"}
	partitionLabels = []string{"topic", "partition"}

	descBrokers    = prometheus.NewDesc("kafka_brokers", "Number of brokers in the cluster.", nil, nil)
	descPartitions = prometheus.NewDesc("kafka_topic_partitions",
		"Number of partitions of the topic.", topicLabels, nil)
	descCurrent = prometheus.NewDesc("kafka_topic_partition_current_offset",
		"Offset that the next record will get.", partitionLabels, nil)
	descOldest = prometheus.NewDesc("kafka_topic_partition_oldest_offset",
		"Oldest offset that is kept.", partitionLabels, nil)
	descInSync = prometheus.NewDesc("kafka_topic_partition_in_sync_replica",
		"Number of in-sync replicas.", partitionLabels, nil)
	descReplicas  = prometheus.NewDesc("kafka_topic_partition_replicas", "Number of replicas.", partitionLabels, nil)
	descLeader    = prometheus.NewDesc("kafka_topic_partition_leader", "Id of the leader.", partitionLabels, nil)
	descPreferred = prometheus.NewDesc("kafka_topic_partition_leader_is_preferred",
		"1 if the preferred replica leads.", partitionLabels, nil)
	descUnder = prometheus.NewDesc("kafka_topic_partition_under_replicated_partition",
		"1 if a replica is not in sync.", partitionLabels, nil)

	descHW = prometheus.NewDesc("lockstep_partition_high_watermark",
		"Offset below which records are committed.", partitionLabels, nil)
	descStable = prometheus.NewDesc("lockstep_partition_last_stable_offset",
		"Offset below which no transaction is open.", partitionLabels, nil)
	descOpen = prometheus.NewDesc("lockstep_partition_open_transactions",
		"Transactions that are open in the partition, where this broker leads.", partitionLabels, nil)
	descOldestOpen = prometheus.NewDesc("lockstep_partition_oldest_open_transaction_seconds",
		"How long ago the oldest of them began, as far as this broker has seen; 0 without any.", partitionLabels, nil)
	descHeld = prometheus.NewDesc("lockstep_partition_locks_held",
		"Locks that open transactions hold.", partitionLabels, nil)
	descLed     = prometheus.NewDesc("lockstep_partitions_led", "Partitions that this broker leads.", nil, nil)
	descLagging = prometheus.NewDesc("lockstep_partitions_under_replicated",
		"Partitions that this broker leads and that have replicas out of sync.", nil, nil)
	descUnsafe = prometheus.NewDesc("lockstep_partitions_under_min_isr",
		"Partitions that this broker leads and that take no writes with acks=all.", nil, nil)
	descNoOne = prometheus.NewDesc("lockstep_partitions_leaderless",
		"Partitions of the cluster that nobody leads.", nil, nil)
	descRules = prometheus.NewDesc("lockstep_controller", "1 if this broker is the controller.", nil, nil)
	descStore = prometheus.NewDesc("lockstep_metadata_store_available",
		"1 if the metadata can change: the store answers, has its quorum, and is not full.", nil, nil)
	descOffline = prometheus.NewDesc("lockstep_partitions_offline",
		"Partitions that this broker should serve and cannot.", nil, nil)
	descFree  = prometheus.NewDesc("lockstep_disk_free_bytes", "Free bytes on the data directory's disk.", nil, nil)
	descLocks = prometheus.NewDesc("lockstep_conflict_window_bytes",
		"Memory that the lock windows of all partitions hold.", nil, nil)
	descHot = prometheus.NewDesc("lockstep_conflict_hot_lock_refusals",
		"Refusals of the ten most refused locks.", []string{"topic", "lock"}, nil)
)

// Describe sends nothing: the set of metrics depends on the topics.
func (c *partitionCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the image and the partitions.
func (c *partitionCollector) Collect(out chan<- prometheus.Metric) {
	if !c.src.Ready() {
		return
	}
	gauge := gaugesTo(out)
	im := c.src.Metadata().Image()
	gauge(descBrokers, float64(len(im.Brokers())))
	var led, lagging, unsafe, leaderless, offline int
	for _, t := range im.Topics() {
		gauge(descPartitions, float64(len(t.Partitions)), t.Name)
		hosted := c.src.Hosted().TopicByID(t.ID)
		for i := range t.Partitions {
			p := &t.Partitions[i]
			index := strconv.Itoa(int(p.Index))
			gauge(descInSync, float64(len(p.ISR)), t.Name, index)
			gauge(descReplicas, float64(len(p.Replicas)), t.Name, index)
			gauge(descLeader, float64(p.Leader), t.Name, index)
			gauge(descPreferred, oneIf(len(p.Replicas) > 0 && p.Leader == p.Replicas[0]), t.Name, index)
			gauge(descUnder, oneIf(len(p.ISR) < len(p.Replicas)), t.Name, index)
			look := examine(c.src, im, t, p)
			leaderless += countIf(p.Leader == protocol.NoBroker)
			offline += countIf(look.problem != nil)
			host := hosted.Partition(p.Index)
			if host == nil || look.problem != nil {
				continue
			}
			if host.State().Role == replica.RoleLeader {
				led++
				lagging += countIf(look.underReplicated())
				unsafe += countIf(look.inSync() < look.minInsync)
				open, since := host.OpenTransactions()
				gauge(descOpen, float64(open), t.Name, index)
				gauge(descOldestOpen, secondsSince(since), t.Name, index)
				gauge(descHeld, float64(host.Holds()), t.Name, index)
			}
			gauge(descCurrent, float64(host.HighWatermark()), t.Name, index)
			gauge(descOldest, float64(host.Start()), t.Name, index)
			gauge(descHW, float64(host.HighWatermark()), t.Name, index)
			gauge(descStable, float64(host.LastStable()), t.Name, index)
		}
	}
	gauge(descLed, float64(led))
	gauge(descLagging, float64(lagging))
	gauge(descUnsafe, float64(unsafe))
	gauge(descNoOne, float64(leaderless))
	gauge(descRules, oneIf(im.Controller == c.src.ID()))
	_, gone := c.src.Metadata().StoreGone()
	room, _ := c.src.Metadata().StoreUsage()
	gauge(descStore, oneIf(!gone && !room.Full))
	gauge(descOffline, float64(offline))
	if free, ok := c.src.DiskFree(); ok {
		gauge(descFree, float64(free))
	}
	gauge(descLocks, float64(c.src.LockWindowBytes()))
	if !c.src.ShowsLockNames() {
		return
	}
	for _, h := range hottestLocks(c.src) {
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

// secondsSince is how long ago something was, in ms since 1970; 0 for never.
func secondsSince(ms int64) float64 {
	if ms == 0 {
		return 0
	}
	return max(0, time.Since(time.UnixMilli(ms)).Seconds())
}

func oneIf(b bool) float64 { return float64(countIf(b)) }

func countIf(b bool) int {
	if b {
		return 1
	}
	return 0
}
