package broker

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/protocol"
)

// ailingMax bounds each list of partitions in one answer.
const ailingMax = 1000

// ailing is a partition with which something is wrong, and what.
type ailing struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Reason    string `json:"reason"`
}

func (a ailing) String() string {
	return fmt.Sprintf("%s-%d: %s", a.Topic, a.Partition, a.Reason)
}

// health is how the cluster is, as one broker sees it.
type health struct {
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
	Offline []ailing `json:"offline_partitions"`
	// UnderMinISR partitions take no writes with acks=all.
	UnderMinISR []ailing `json:"under_min_isr_partitions"`
	// UnderReplicated partitions have replicas that are not in sync.
	UnderReplicated []ailing `json:"under_replicated_partitions"`
	// LeftOut is how many partitions the lists would hold beyond their bound.
	LeftOut int `json:"left_out"`
}

func (h *httpServer) health(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, h.srv.health())
}

// health looks at every partition of the image.
func (s *Server) health() *health {
	im := s.cluster.Image()
	h := &health{
		ClusterID: im.ClusterID, Controller: im.Controller, Brokers: []protocol.BrokerID{}, Missing: []protocol.BrokerID{}, Store: "available",
		Topics: len(im.Topics()), Partitions: im.PartitionCount(),
		Problems: s.problems(), Offline: []ailing{}, UnderMinISR: []ailing{}, UnderReplicated: []ailing{},
	}
	for _, b := range im.Brokers() {
		h.Brokers = append(h.Brokers, b.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(s.cfg.EtcdPeers)) {
		if !slices.Contains(h.Brokers, id) {
			h.Missing = append(h.Missing, id)
		}
	}
	for _, t := range im.Topics() {
		for i := range t.Partitions {
			h.look(s.lookAt(im, t, &t.Partitions[i]))
		}
	}
	since, gone := s.cluster.StoreGone()
	if gone {
		since = since.UTC()
		h.StaleSince = &since
		h.Store = "no answer, or no quorum, since " + since.Format(time.RFC3339)
	}
	room, _ := s.cluster.RoomTaken()
	if room.Full && !gone {
		h.Store = "full"
	}
	h.Healthy = !gone && !room.Full && !s.disk.IsLow() && len(h.Offline) == 0 && len(h.UnderMinISR) == 0
	h.Degraded = !h.Healthy || len(h.UnderReplicated)+len(h.Missing)+len(h.Problems) > 0
	return h
}

// problems are what is wrong with this broker itself.
func (s *Server) problems() []string {
	all := []string{}
	if files := s.hosted.DescriptorProblem(); files != "" {
		all = append(all, files)
	}
	if disk := s.disk.Problem(); disk != "" {
		all = append(all, disk)
	}
	if room, _ := s.cluster.RoomTaken(); room.Problem != "" {
		all = append(all, room.Problem)
	}
	return all
}

// look notes what is wrong with one partition.
func (h *health) look(p patient) {
	switch {
	case p.offline():
		h.note(&h.Offline, p, p.whyOffline())
	case p.inSync() < p.minInsync:
		h.note(&h.UnderMinISR, p, fmt.Sprintf("%d in sync, and acks=all asks for %d; %s", p.inSync(), p.minInsync, p.whyBehind()))
		fallthrough
	default:
		if p.underReplicated() {
			h.note(&h.UnderReplicated, p, p.whyBehind())
		}
	}
}

func (h *health) note(list *[]ailing, p patient, reason string) {
	if len(*list) == ailingMax {
		h.LeftOut++
		return
	}
	*list = append(*list, ailing{p.topic.Name, p.Index, reason})
}

// patient is a partition that is looked at: what the image shows, and what this
// broker knows of its own replica.
type patient struct {
	*coordinator.Partition
	topic     *coordinator.Topic
	im        *coordinator.Image
	self      protocol.BrokerID
	ailment   error // of this broker's replica
	minInsync int   // as far as there are replicas
}

func (s *Server) lookAt(im *coordinator.Image, t *coordinator.Topic, ip *coordinator.Partition) patient {
	p := patient{Partition: ip, topic: t, im: im, self: s.cfg.NodeID, minInsync: 1}
	if hosted := s.hosted.TopicByID(t.ID); hosted != nil {
		p.minInsync = min(int(hosted.Settings.MinInsyncReplicas), len(ip.Replicas))
		p.ailment = hosted.Partition(ip.Index).Problem()
	}
	return p
}

// offline reports whether nobody serves the partition.
func (p patient) offline() bool {
	_, live := p.im.Broker(p.Leader)
	return !live || p.Leader == p.self && p.ailment != nil
}

func (p patient) inSync() int { return len(p.ISR) }

func (p patient) underReplicated() bool { return len(p.ISR) < len(p.Replicas) }

func (p patient) whyOffline() string {
	if p.Leader == p.self && p.ailment != nil {
		return p.ailment.Error()
	}
	return fmt.Sprintf("nobody leads it, and only replicas in sync may: %s", strings.Join(p.reasons(p.ISR.IDs()), "; "))
}

func (p patient) whyBehind() string {
	var behind []protocol.BrokerID
	for _, id := range p.Replicas {
		if !p.InSync(id) {
			behind = append(behind, id)
		}
	}
	return strings.Join(p.reasons(behind), "; ")
}

// reasons say of each of some replicas why it is not in sync, or does not lead.
func (p patient) reasons(ids []protocol.BrokerID) []string {
	reasons := make([]string, len(ids))
	for i, id := range ids {
		reasons[i] = fmt.Sprintf("broker %d %s", id, p.reason(id))
	}
	return reasons
}

func (p patient) reason(id protocol.BrokerID) string {
	b, live := p.im.Broker(id)
	switch {
	case id == p.self && p.ailment != nil:
		return "cannot serve it: " + p.ailment.Error()
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
func (p patient) resigned(id protocol.BrokerID) bool {
	at := p.ISR.Index(id)
	return at >= 0 && p.ISR[at].BrokerEpoch < 0
}

// sick lists what this broker should serve and does not.
func (s *Server) sick() []ailing {
	var sick []ailing
	for t := range s.hosted.Topics() {
		for _, p := range t.Partitions {
			if err := p.Problem(); err != nil {
				sick = append(sick, ailing{t.Name, p.Index, err.Error()})
			}
		}
	}
	return sick
}
