package admin

import (
	"github.com/prometheus/client_golang/prometheus"
)

// storeCollector tells, when it is asked, how much of the metadata store is taken.
type storeCollector struct{ src Source }

var storeRoom = prometheus.NewDesc(namespace+"_metadata_store_bytes",
	"Of the metadata store: the file, what of it is in use, and how much may be in use for anything to be added.",
	[]string{"of"}, nil)

// Describe sends nothing, because there is nothing to say before the store is open.
func (c *storeCollector) Describe(chan<- *prometheus.Desc) {}

func (c *storeCollector) Collect(out chan<- prometheus.Metric) {
	if !c.src.Ready() {
		return
	}
	room, known := c.src.Metadata().StoreUsage()
	if !known {
		return
	}
	for _, of := range []struct {
		name  string
		bytes int64
	}{{"file", room.Bytes}, {"in_use", room.InUse}, {"most", room.Most}} {
		out <- prometheus.MustNewConstMetric(storeRoom, prometheus.GaugeValue, float64(of.bytes), of.name)
	}
}
