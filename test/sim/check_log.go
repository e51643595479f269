package sim

import "github.com/lockstep-log/lockstep/protocol"

// checkMatching: two logs that have the same epoch at the same offset are the
// same up to there, and epochs never fall along a log (I12).
func (c *checker) checkMatching() {
	for i, a := range c.w.brokers {
		for k := 1; k < len(a.disk.batches); k++ {
			if a.disk.batches[k].LeaderEpoch() < a.disk.batches[k-1].LeaderEpoch() {
				c.w.fail("I12", "broker %d: epochs fall at offset %d", a.id, a.disk.batches[k].BaseOffset())
				return
			}
		}
		for _, b := range c.w.brokers[:i] {
			c.matching(a, b)
		}
	}
}

func (c *checker) matching(a, b *broker) {
	i, k := len(a.disk.batches)-1, len(b.disk.batches)-1
	shared := false
	for i >= 0 && k >= 0 {
		x, y := a.disk.batches[i], b.disk.batches[k]
		switch {
		case x.BaseOffset() > y.BaseOffset():
			i--
		case x.BaseOffset() < y.BaseOffset():
			k--
		default:
			shared = shared || x.LeaderEpoch() == y.LeaderEpoch()
			if shared && !c.same(x, y) {
				c.w.fail("I12", "brokers %d and %d share an epoch behind offset %d and differ there", a.id, b.id, x.BaseOffset())
				return
			}
			i, k = i-1, k-1
		}
	}
}

// listed: a leader says where the log ends. That is never before what had been
// acknowledged, or said, when it was asked (I10).
func (c *checker) listed(b *broker, epoch protocol.LeaderEpoch, end, least protocol.Offset) {
	if end < least {
		c.w.fail("I10", "broker %d says in epoch %d that the log ends at %d; when it was asked it ended at %d", b.id, epoch, end, least)
	}
	c.end = max(c.end, end)
}

// absent: a broker says that its log does not reach to where somebody has read.
func (c *checker) absent(b *broker, from protocol.Offset) {
	c.w.fail("I9", "broker %d says in epoch %d that offset %d, up to where a consumer has read, is not in the log", b.id, b.core().Epoch(), from)
}

// checkReplicas: at rest all logs are equal.
func (c *checker) checkReplicas() {
	c.checkMatching()
	for _, b := range c.w.brokers[1:] {
		if b.disk.End() != c.w.brokers[0].disk.End() {
			c.w.fail("I12", "at rest broker %d ends at %d and broker %d at %d", b.id, b.disk.End(), c.w.brokers[0].id, c.w.brokers[0].disk.End())
		}
	}
}
