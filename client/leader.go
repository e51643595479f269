package client

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leadership is who leads a partition, and in which epoch, as a broker has said.
type leadership struct {
	broker int32    // -1: nobody, as far as is known
	epoch  int32    // -1: it was not told
	topic  [16]byte // the topic's id; zero: it was not told
}

var noLeader = leadership{broker: -1, epoch: -1}

// knownEpoch is the newest leader epoch of a partition that a client has heard of,
// from whomever: its writer and its feeds share it. A broker that was cut off goes
// on to name the leader of an earlier epoch, and that leader may be cut off with
// it: it lacks what was committed since. (KIP-320)
type knownEpoch struct {
	mu struct {
		sync.Mutex
		topic [16]byte
		epoch int32 // -1: none is known
		stale int   // answers in a row that were older
	}
}

// staleMax is how many answers of brokers that lag behind are passed over in a
// row. After that there may be nobody else to ask, and what the leader of an
// earlier epoch does is right, if in vain.
const staleMax = 20

// errStaleLeader: whoever was asked knows of an earlier leader only.
var errStaleLeader = fmt.Errorf("%w: the broker that was asked lags behind", kerr.LeaderNotAvailable)

func newKnownEpoch() *knownEpoch {
	k := &knownEpoch{}
	k.mu.epoch = -1
	return k
}

// accept reports whether an answer is as new as what is known, or has to do. A
// topic that was made again begins its epochs anew.
func (k *knownEpoch) accept(l leadership) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if another(l.topic, k.mu.topic) {
		k.mu.epoch = -1
	}
	if l.topic != [16]byte{} {
		k.mu.topic = l.topic
	}
	if l.epoch >= 0 && l.epoch < k.mu.epoch {
		k.mu.stale++
		return k.mu.stale > staleMax
	}
	k.mu.epoch, k.mu.stale = max(k.mu.epoch, l.epoch), 0
	return true
}

// another reports whether two ids are known to be of different topics.
func another(a, b [16]byte) bool { return a != b && a != [16]byte{} && b != [16]byte{} }

// learn notes an epoch in which the partition is known to have been led.
func (k *knownEpoch) learn(epoch int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.epoch = max(k.mu.epoch, epoch)
}

// epoch is the newest that is known; -1 if none is.
func (k *knownEpoch) epoch() int32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.epoch
}

// knownEpoch finds or makes what is known of a partition.
func (c *Client) knownEpoch(at place) *knownEpoch {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.knownEpochLocked(at)
}

func (c *Client) knownEpochLocked(at place) *knownEpoch {
	k := c.mu.epochs[at]
	if k == nil {
		k = newKnownEpoch()
		c.mu.epochs[at] = k
	}
	return k
}

// leader asks who leads a partition.
func (c *Client) leader(at place) (leadership, error) {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = kmsg.StringPtr(at.topic)
	req.Topics = []kmsg.MetadataRequestTopic{rt}
	req.AllowAutoTopicCreation = c.createsTopics()
	ctx, cancel := context.WithTimeout(c.ctx, c.opts.requestTimeout)
	defer cancel()
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return noLeader, fmt.Errorf("ask for the leader of %s-%d: %w", at.topic, at.partition, err)
	}
	l, err := leaderIn(resp, at)
	if err == nil && l.broker < 0 {
		err = kerr.LeaderNotAvailable
	}
	if err != nil {
		return noLeader, err
	}
	return l, nil
}

func leaderIn(resp *kmsg.MetadataResponse, at place) (leadership, error) {
	for _, t := range resp.Topics {
		if t.Topic == nil || *t.Topic != at.topic {
			continue
		}
		if err := errorOf(t.ErrorCode); err != nil {
			return noLeader, err
		}
		for _, p := range t.Partitions {
			if p.Partition == at.partition {
				return leadership{p.Leader, p.LeaderEpoch, t.TopicID}, errorOf(p.ErrorCode)
			}
		}
	}
	return noLeader, kerr.UnknownTopicOrPartition
}

func (c *Client) createsTopics() bool {
	creates, _ := c.cl.OptValue(kgo.AllowAutoTopicCreation).(bool)
	return creates
}
