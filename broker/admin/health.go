package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// problemsMax bounds each list of partitions in one answer.
const problemsMax = 1000

// PartitionProblem is a partition with which something is wrong, and what.
type PartitionProblem struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Reason    string `json:"reason"`
}

func (a PartitionProblem) String() string {
	return fmt.Sprintf("%s-%d: %s", a.Topic, a.Partition, a.Reason)
}

// Health is how the cluster is, as one broker sees it.
type Health struct {
	// Healthy: all partitions can be read, and written with acks=all, and the
	// metadata can change.
	Healthy bool `json:"healthy"`
	// Degraded: something is wrong, though the replicas may make up for it.
	Degraded bool `json:"degraded"`
	// StaleSince is when this broker last heard of the metadata store, while it
	// does not: brokers, leaders and replicas are as of then.
	StaleSince *time.Time          `json:"stale_since,omitempty"`
	ClusterID  string              `json:"cluster_id"`
	Controller protocol.BrokerID   `json:"controller"`
	Brokers    []protocol.BrokerID `json:"brokers"`
	// Missing are the etcd peers that are not there as brokers.
	Missing    []protocol.BrokerID `json:"missing_brokers"`
	Topics     int                 `json:"topics"`
	Partitions int                 `json:"partitions"`
	Store      string              `json:"metadata_store"`
	// Problems are what is wrong with this broker itself, in sentences.
	Problems []string `json:"problems"`
	// Offline partitions are neither written nor read.
	Offline []PartitionProblem `json:"offline_partitions"`
	// UnderMinISR partitions take no writes with acks=all.
	UnderMinISR []PartitionProblem `json:"under_min_isr_partitions"`
	// UnderReplicated partitions have replicas that are not in sync.
	UnderReplicated []PartitionProblem `json:"under_replicated_partitions"`
	// LeftOut is how many partitions the lists would hold beyond their bound.
	LeftOut int `json:"left_out"`
}

func (h *Server) health(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, HealthOf(h.src))
}

// HealthOf looks at every partition of the image.
func HealthOf(src Source) *Health {
	meta := src.Metadata()
	im := meta.Image()
	h := &Health{
		ClusterID: im.ClusterID, Controller: im.Controller, Store: "available",
		Brokers: []protocol.BrokerID{}, Missing: []protocol.BrokerID{},
		Topics: len(im.Topics()), Partitions: im.PartitionCount(), Problems: src.Problems(),
		Offline: []PartitionProblem{}, UnderMinISR: []PartitionProblem{}, UnderReplicated: []PartitionProblem{},
	}
	for _, b := range im.Brokers() {
		h.Brokers = append(h.Brokers, b.ID)
	}
	for _, id := range slices.Sorted(slices.Values(src.Peers())) {
		if !slices.Contains(h.Brokers, id) {
			h.Missing = append(h.Missing, id)
		}
	}
	for _, t := range im.Topics() {
		for i := range t.Partitions {
			h.look(examine(src, im, t, &t.Partitions[i]))
		}
	}
	since, gone := meta.StoreGone()
	if gone {
		since = since.UTC()
		h.StaleSince = &since
		h.Store = "no answer, or no quorum, since " + since.Format(time.RFC3339)
	}
	room, _ := meta.StoreUsage()
	if room.Full && !gone {
		h.Store = "full"
	}
	h.Healthy = !gone && !room.Full && !src.DiskIsLow() && len(h.Offline) == 0 && len(h.UnderMinISR) == 0
	h.Degraded = !h.Healthy || len(h.UnderReplicated)+len(h.Missing)+len(h.Problems) > 0
	return h
}

// look notes what is wrong with one partition.
func (h *Health) look(p examined) {
	switch {
	case p.offline():
		h.note(&h.Offline, p, p.whyOffline())
	case p.inSync() < p.minInsync:
		reason := fmt.Sprintf("%d in sync, and acks=all asks for %d; %s", p.inSync(), p.minInsync, p.whyBehind())
		h.note(&h.UnderMinISR, p, reason)
		fallthrough
	default:
		if p.underReplicated() {
			h.note(&h.UnderReplicated, p, p.whyBehind())
		}
	}
}

func (h *Health) note(list *[]PartitionProblem, p examined, reason string) {
	if len(*list) == problemsMax {
		h.LeftOut++
		return
	}
	*list = append(*list, PartitionProblem{p.topic.Name, p.Index, reason})
}

// examined is a partition that is looked at: what the image shows, and what this
// broker knows of its own replica.
type examined struct {
	*image.Partition
	topic     *image.Topic
	im        *image.Image
	self      protocol.BrokerID
	problem   error // of this broker's replica
	minInsync int   // as far as there are replicas
}

func examine(src Source, im *image.Image, t *image.Topic, ip *image.Partition) examined {
	p := examined{Partition: ip, topic: t, im: im, self: src.ID(), minInsync: 1}
	if hosted := src.Hosted().TopicByID(t.ID); hosted != nil {
		p.minInsync = min(int(hosted.Settings.MinInsyncReplicas), len(ip.Replicas))
		p.problem = hosted.Partition(ip.Index).Problem()
	}
	return p
}

// offline reports whether nobody serves the partition.
func (p examined) offline() bool {
	_, live := p.im.Broker(p.Leader)
	return !live || p.Leader == p.self && p.problem != nil
}

func (p examined) inSync() int { return len(p.ISR) }

func (p examined) underReplicated() bool { return len(p.ISR) < len(p.Replicas) }

func (p examined) whyOffline() string {
	if p.Leader == p.self && p.problem != nil {
		return p.problem.Error()
	}
	return fmt.Sprintf("nobody leads it, and only replicas in sync may: %s", strings.Join(p.reasons(p.ISR.IDs()), "; "))
}

func (p examined) whyBehind() string {
	var behind []protocol.BrokerID
	for _, id := range p.Replicas {
		if !p.InSync(id) {
			behind = append(behind, id)
		}
	}
	return strings.Join(p.reasons(behind), "; ")
}

// reasons say of each of some replicas why it is not in sync, or does not lead.
func (p examined) reasons(ids []protocol.BrokerID) []string {
	reasons := make([]string, len(ids))
	for i, id := range ids {
		reasons[i] = fmt.Sprintf("broker %d %s", id, p.reason(id))
	}
	return reasons
}

func (p examined) reason(id protocol.BrokerID) string {
	b, live := p.im.Broker(id)
	switch {
	case id == p.self && p.problem != nil:
		return "cannot serve it: " + p.problem.Error()
	case !live:
		return "is down"
	case b.Leaving:
		return "is stopping"
	case slices.Contains(b.Lost, protocol.TopicPartition{Topic: p.topic.ID, Index: p.Index}):
		return "has lost its log, or cannot open it"
	case p.resigned(id):
		return "has given it up: its disk has failed"
	case p.InSync(id):
		return "is up and about to lead"
	default:
		return "is catching up"
	}
}

// resigned reports whether the replica has given the partition up in its present broker epoch.
func (p examined) resigned(id protocol.BrokerID) bool {
	at := p.ISR.Index(id)
	return at >= 0 && p.ISR[at].BrokerEpoch < 0
}

// Unserved lists what this broker should serve and does not.
func Unserved(src Source) []PartitionProblem {
	var unserved []PartitionProblem
	for t := range src.Hosted().Topics() {
		for _, p := range t.Partitions {
			if err := p.Problem(); err != nil {
				unserved = append(unserved, PartitionProblem{t.Name, p.Index, err.Error()})
			}
		}
	}
	return unserved
}
