package partitions

import (
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// reconciliation is one round of making the partitions as an image says.
type reconciliation struct {
	h          *Host
	im         *image.Image
	layers     []settings.Layer // what stands behind the topics' own settings
	carry      settings.CarryTopics
	sameLayers bool // as in the round before
	newEpoch   bool // the broker has been registered anew: all partitions begin again
	opening    errgroup.Group
	opened     []*placed
	changed    []*Topic
	removed    []*placed // replicas that this broker no longer holds
}

// placed is a partition with its place.
type placed struct {
	t  *Topic
	ip *image.Partition
	p  *Partition
}

// reconcile opens, changes and closes what the image says.
func (h *Host) reconcile(im *image.Image) {
	old := h.now.Load()
	next := &snapshot{
		byName: make(map[string]*Topic, len(old.byName)), byID: make(map[protocol.TopicID]*Topic, len(old.byID)),
		layers: h.o.Layers(),
	}
	r := &reconciliation{
		h: h, im: im, layers: next.layers,
		carry: settings.CarryTopicsOf(next.layers...), sameLayers: sameLayers(old.layers, next.layers),
	}
	if !r.sameLayers {
		h.o.LayersChanged()
	}
	if epoch := h.brokerEpochIn(im); epoch != h.brokerEpoch {
		h.brokerEpoch, r.newEpoch = epoch, true
	}
	r.opening.SetLimit(int(h.settings.Load().RecoveryThreads))
	for _, it := range im.Topics() {
		t := r.topic(old.byID[it.ID], it)
		next.byName[t.Name], next.byID[t.ID] = t, t
	}
	_ = r.opening.Wait() // what would not open says so itself
	r.list()
	h.now.Store(next)
	r.apply(next)
	for id, t := range old.byID {
		if next.byID[id] == nil {
			h.drop(t)
		}
	}
	for _, l := range r.removed {
		h.discard(l.t, l.p)
	}
}

// sameLayers reports whether two sets of layers give the same values.
func sameLayers(a, b []settings.Layer) bool {
	return slices.EqualFunc(a, b, func(a, b settings.Layer) bool { return maps.Equal(a.Values, b.Values) })
}

// brokerEpochIn is the broker epoch in which the image shows this process; 0 before
// it has registered. What a predecessor left in the image is not this process.
func (h *Host) brokerEpochIn(im *image.Image) protocol.BrokerEpoch {
	first := protocol.BrokerEpoch(h.registered.Load())
	self, live := im.Broker(h.o.NodeID)
	if first == 0 || !live || self.Epoch < first {
		return h.brokerEpoch
	}
	return self.Epoch
}

// topic returns the topic as the image has it. What did not change is shared
// with the old one.
func (r *reconciliation) topic(old *Topic, it *image.Topic) *Topic {
	if old != nil && old.of == it && r.sameLayers {
		return old
	}
	t := &Topic{
		of: it, Name: it.Name, ID: it.ID, overrides: it.Configs, Partitions: make([]*Partition, len(it.Partitions)),
	}
	r.changed = append(r.changed, t)
	if old != nil {
		copy(t.Partitions, old.Partitions)
		t.Metrics = old.Metrics
	} else {
		t.Metrics = r.h.o.Metrics.Topic(it.Name)
	}
	r.settings(t, old)
	for i := range it.Partitions {
		r.noteISR(old, &it.Partitions[i])
		r.partition(t, &it.Partitions[i])
	}
	return t
}

// noteISR logs a change of in-sync replicas where this broker leads. Where nobody
// does, each that is left tells it.
func (r *reconciliation) noteISR(old *Topic, ip *image.Partition) {
	self := r.h.o.NodeID
	tells := ip.Leader == self || ip.Leader == protocol.NoBroker && ip.InSync(self)
	if old != nil && int(ip.Index) < len(old.of.Partitions) && tells {
		r.h.isrLog.note(old.Name, &old.of.Partitions[ip.Index], ip)
	}
}

// settings takes a topic's new settings into force.
func (r *reconciliation) settings(t, old *Topic) {
	if old != nil && r.sameLayers && maps.Equal(old.overrides, t.overrides) {
		t.Settings, t.Compression = old.Settings, old.Compression
		return
	}
	parsed, err := r.carry.Parse(t.Name, t.overrides, r.layers...)
	if err != nil {
		r.h.log.Error("topic settings do not parse; the defaults stand", "topic", t.Name, "error", err)
		parsed = settings.Default()
	}
	t.Settings, t.Compression = parsed, compressionOf(parsed)
	for _, p := range t.Partitions {
		if p.IsOpen() {
			p.SetSettings(r.h.partitionSettings(parsed))
		}
	}
}

// partition opens what this broker is to hold, and notes what it no longer holds.
func (r *reconciliation) partition(t *Topic, ip *image.Partition) {
	self := r.h.o.NodeID
	p := t.Partitions[ip.Index]
	switch held := slices.Contains(ip.Replicas, self); {
	case !held && p != nil:
		t.Partitions[ip.Index] = nil
		r.removed = append(r.removed, &placed{t, ip, p})
	case held && (p == nil || p.mayRebuild(ip, self)):
		at := &placed{t: t, ip: ip}
		r.opened = append(r.opened, at)
		r.opening.Go(func() error {
			at.p = r.h.open(t, ip)
			t.Partitions[ip.Index] = at.p
			return nil
		})
	}
}

// mayRebuild reports whether a log that was lost may be made anew: nobody counts
// on this replica any more.
func (p *Partition) mayRebuild(ip *image.Partition, self protocol.BrokerID) bool {
	return errors.Is(p.Broken, errLogLost) && !ip.InSync(self)
}

// list writes down what was opened, before anything is written to it.
func (r *reconciliation) list() {
	var ids []protocol.TopicPartition
	for _, o := range r.opened {
		if o.p.IsOpen() {
			ids = append(ids, o.p.ID())
		}
	}
	err := r.h.logs.add(ids)
	if err == nil {
		err = r.h.repaired.remove(ids) // what they have is all that there is, or is made up for by others
	}
	if err == nil {
		return
	}
	r.h.log.Error("new partitions stay closed", "error", err)
	for _, o := range r.opened {
		if o.p.IsOpen() {
			err := errors.Join(err, o.p.Close())
			o.t.Partitions[o.ip.Index] = &Partition{Index: o.ip.Index, Broken: err, log: o.p.log}
		}
	}
}

// apply tells the partitions that the broker is registered, and what the image
// shows of them.
func (r *reconciliation) apply(next *snapshot) {
	h := r.h
	if h.brokerEpoch == 0 {
		return
	}
	for _, o := range r.opened {
		if p := o.t.Partitions[o.ip.Index]; p.Prefix != nil {
			continue // it is read here or nowhere
		} else if !p.IsOpen() {
			h.o.Cluster.Resign(protocol.TopicPartition{Topic: o.t.ID, Index: o.ip.Index}, h.brokerEpoch)
		} else if !r.newEpoch {
			p.Begin(h.brokerEpoch)
		}
	}
	topics := r.changed
	if r.newEpoch {
		topics = slices.Collect(maps.Values(next.byName))
	}
	for _, t := range topics {
		for i, p := range t.Partitions {
			if p.IsOpen() {
				r.applyTo(p, &t.of.Partitions[i])
			}
		}
	}
	for _, o := range r.opened {
		if p := o.t.Partitions[o.ip.Index]; p.IsOpen() && o.ip.Leader == h.o.NodeID {
			p.awaitApplied(o.ip)
		}
	}
}

func (r *reconciliation) applyTo(p *Partition, ip *image.Partition) {
	if r.newEpoch {
		p.Begin(r.h.brokerEpoch)
	}
	if p.applied != ip.PartitionEpoch {
		p.applied = ip.PartitionEpoch
		p.ApplyMetadata(ip.PartitionState)
	}
}

// applyTimeout bounds how long the reconciler waits for a new partition's loop.
const applyTimeout = time.Second

// awaitApplied returns when the partition's loop has taken in what it was told,
// so that whoever waited for a new topic finds it led.
func (p *Partition) awaitApplied(ip *image.Partition) {
	moved := replica.NewWatcher()
	p.Watch(moved)
	defer p.Unwatch(moved)
	late := time.NewTimer(applyTimeout)
	defer late.Stop()
	for p.State().Epoch < ip.LeaderEpoch {
		select {
		case <-moved.C:
		case <-late.C:
			return
		}
	}
}

// discard closes a replica that this broker no longer holds and removes its data.
func (h *Host) discard(t *Topic, p *Partition) {
	dir := h.Dir(t, p.Index)
	var err error
	switch {
	case p.IsOpen():
		err = p.Delete()
	case p.Prefix != nil:
		_ = p.Prefix.Close() // what is wrong with it is known
	}
	h.logs.drop(protocol.TopicPartition{Topic: t.ID, Index: p.Index})
	if err = errors.Join(err, h.o.FS.RemoveAll(dir)); err != nil {
		h.log.Error("data of a replica that is no longer held could not be removed", "dir", dir, "error", err)
	}
}

// drop closes a deleted topic and removes its data.
func (h *Host) drop(t *Topic) {
	h.o.Metrics.ForgetTopic(t.Name)
	for _, p := range t.Partitions {
		if p != nil {
			h.discard(t, p)
		}
	}
}
