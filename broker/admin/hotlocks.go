package admin

import (
	"cmp"
	"slices"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/conflict"
)

// hotLock is one of the most refused locks of the broker.
type hotLock struct {
	topic   string
	lock    string
	refused uint64
}

// hottestLocks are the most refused locks over all partitions: few, so that they can
// be labels of a metric.
func hottestLocks(src Source) []hotLock {
	sum := map[hotLock]uint64{}
	src.Hosted().Each(func(t *partitions.Topic, p *partitions.Partition) {
		for _, h := range p.HotLocks() {
			sum[hotLock{topic: t.Name, lock: h.Lock}] += h.Refused
		}
	})
	all := make([]hotLock, 0, len(sum))
	for h, n := range sum {
		h.refused = n
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b hotLock) int {
		return cmp.Or(cmp.Compare(b.refused, a.refused), cmp.Compare(a.topic, b.topic), cmp.Compare(a.lock, b.lock))
	})
	return all[:min(len(all), conflict.HotLocksMax)]
}
