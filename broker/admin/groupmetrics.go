package admin

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// groupSeriesMax bounds the committed offsets that one scrape shows. Where there
// are more, groups are left out whole, last names first.
const groupSeriesMax = 20_000

var (
	groupLabels          = []string{"consumergroup"}
	groupTopicLabels     = []string{"consumergroup", "topic"}
	groupPartitionLabels = []string{"consumergroup", "topic", "partition"}

	descGroupMembers = prometheus.NewDesc("kafka_consumergroup_members",
		"Number of members of the group.", groupLabels, nil)
	descGroupOffset = prometheus.NewDesc("kafka_consumergroup_current_offset",
		"Offset that the group has committed.", groupPartitionLabels, nil)
	descGroupLag = prometheus.NewDesc("kafka_consumergroup_lag",
		"Records between the committed offset and the high watermark.", groupPartitionLabels, nil)
	descGroupOffsetSum = prometheus.NewDesc("kafka_consumergroup_current_offset_sum",
		"Committed offsets of the topic's partitions, added up.", groupTopicLabels, nil)
	descGroupLagSum = prometheus.NewDesc("kafka_consumergroup_lag_sum",
		"Lag of the topic's partitions, added up.", groupTopicLabels, nil)
	descGroups = prometheus.NewDesc("lockstep_groups",
		"Groups that this broker coordinates, by state.", []string{"state"}, nil)
)

// groupCollector asks the coordinators when it is asked: gauges by
// kafka_exporter's names, so that dashboards of lag work unchanged.
type groupCollector struct{ src Source }

// Describe sends nothing: the set of metrics depends on the groups.
func (c *groupCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the groups and compares their offsets with the partitions that
// this broker hosts.
func (c *groupCollector) Collect(out chan<- prometheus.Metric) {
	if !c.src.Ready() {
		return
	}
	gauge := gaugesTo(out)
	states := map[string]int{}
	series := 0
	for _, g := range c.src.Groups() {
		states[g.State.String()]++
		if series += len(g.Offsets); series > groupSeriesMax {
			continue
		}
		gauge(descGroupMembers, float64(g.Members), g.Group)
		for _, t := range lagsOf(c.src, &g) {
			for _, p := range t.partitions {
				index := strconv.Itoa(int(p.partition))
				gauge(descGroupOffset, float64(p.committed), g.Group, t.topic, index)
				if p.lag >= 0 {
					gauge(descGroupLag, float64(p.lag), g.Group, t.topic, index)
				}
			}
			gauge(descGroupOffsetSum, float64(t.committed), g.Group, t.topic)
			gauge(descGroupLagSum, float64(t.lag), g.Group, t.topic)
		}
	}
	for state, n := range states {
		gauge(descGroups, float64(n), state)
	}
}

// topicLag is how far a group is behind on one topic.
type topicLag struct {
	topic          string
	committed, lag int64 // added up
	partitions     []partitionLag
}

// partitionLag has -1 for a lag that this broker cannot tell.
type partitionLag struct {
	partition      int32
	committed, lag int64
}

func lagsOf(src Source, g *Group) (lags []topicLag) {
	for _, o := range g.Offsets {
		if n := len(lags); n == 0 || lags[n-1].topic != o.Topic {
			lags = append(lags, topicLag{topic: o.Topic})
		}
		t := &lags[len(lags)-1]
		p := partitionLag{o.Partition, o.Offset.Offset, -1}
		if host := src.Hosted().Topic(o.Topic).Partition(o.Partition); host.IsOpen() {
			p.lag = max(0, int64(host.HighWatermark())-p.committed)
			t.lag += p.lag
		}
		t.committed += p.committed
		t.partitions = append(t.partitions, p)
	}
	return lags
}
