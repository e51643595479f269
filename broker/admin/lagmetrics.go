package admin

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// lagCollector reads how far the followers of what this broker leads are behind.
type lagCollector struct{ src Source }

var (
	followerLabels = []string{"topic", "partition", "follower"}

	descLagOffsets = prometheus.NewDesc("lockstep_replica_lag_offsets",
		"Offsets that a follower has not on its disk yet.", followerLabels, nil)
	descLagBytes = prometheus.NewDesc("lockstep_replica_lag_bytes",
		"Bytes of record batches that a follower has not on its disk yet.", followerLabels, nil)
)

// Describe sends nothing: the set of metrics depends on the topics.
func (c *lagCollector) Describe(chan<- *prometheus.Desc) {}

// Collect asks every partition that is led here with followers.
func (c *lagCollector) Collect(out chan<- prometheus.Metric) {
	if !c.src.Ready() {
		return
	}
	gauge := gaugesTo(out)
	c.src.Hosted().Each(func(t *partitions.Topic, p *partitions.Partition) {
		if st := p.State(); st.Role != replica.RoleLeader || len(st.Replicas) < 2 {
			return
		}
		for _, f := range p.Followers() {
			labels := []string{t.Name, strconv.Itoa(int(p.Index)), strconv.Itoa(int(f.ID))}
			end, from := p.End(), max(f.Synced, p.Start())
			gauge(descLagOffsets, float64(max(0, end-from)), labels...)
			gauge(descLagBytes, float64(bytesFrom(p, from, end)), labels...)
		}
	})
}

// bytesFrom is how many bytes the batches of a span of offsets take; less where
// the log is being cut.
func bytesFrom(p *partitions.Partition, from, end protocol.Offset) (n int64) {
	for from < end {
		r, err := p.Log().Read(from, end, 1<<40, true)
		if err != nil {
			return n
		}
		r.Close()
		if r.Len() == 0 {
			return n
		}
		n, from = n+int64(r.Len()), r.NextOffset()
	}
	return n
}
