package broker

import "github.com/lockstep-log/lockstep/broker/coordination"

// internalTopic is an internal topic, of whose partitions each is the log of a coordinator.
type internalTopic struct {
	srv  *Server
	name string
}

var _ coordination.Partitions = (*internalTopic)(nil)

// Led implements coordination.Partitions.
func (c *internalTopic) Led() map[int32]coordination.Leadership {
	led := make(map[int32]coordination.Leadership)
	t := c.srv.hosted.Topic(c.name)
	if t == nil {
		return led
	}
	it, ok := c.srv.cluster.Image().TopicByID(t.ID)
	if !ok {
		return led
	}
	for i := range it.Partitions {
		ip := &it.Partitions[i]
		if p := t.Partition(ip.Index); ip.Leader == c.srv.cfg.NodeID && p.IsWritable() {
			led[ip.Index] = coordination.Leadership{Partition: p.Partition, Epoch: ip.LeaderEpoch}
		}
	}
	return led
}

// Opening implements coordination.Partitions.
func (c *internalTopic) Opening(index int32) bool {
	t, ok := c.srv.cluster.Image().Topic(c.name)
	if !ok || int(index) >= len(t.Partitions) || t.Partitions[index].Leader != c.srv.cfg.NodeID {
		return false
	}
	p := c.srv.hosted.Topic(c.name).Partition(index)
	return p == nil || p.Broken == nil && p.IsWritable()
}

// MinInsync implements coordination.Partitions.
func (c *internalTopic) MinInsync() int {
	if t := c.srv.hosted.Topic(c.name); t != nil {
		return int(t.Settings.MinInsyncReplicas)
	}
	return 1
}

// Changed implements coordination.Partitions.
func (c *internalTopic) Changed() <-chan struct{} { return c.srv.hosted.Reconciled() }
