package broker

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// errLogLost is a log that was here and is not any more. An empty one does not
// take its place while the metadata counts on what it held.
var errLogLost = errors.New("its log was here and is gone; it is made anew, and copied, once other replicas lead without it")

// following is one round of making the partitions as an image says.
type following struct {
	h          *hosted
	im         *coordinator.Image
	layers     []settings.Layer // what stands behind the topics' own settings
	carry      settings.CarryTopics
	sameLayers bool // as in the round before
	reborn     bool // the broker has been registered anew: all partitions begin again
	opening    errgroup.Group
	opened     []*placed
	changed    []*topic
	left       []*placed // replicas that this broker no longer holds
}

// placed is a partition with its place.
type placed struct {
	t  *topic
	ip *coordinator.Partition
	p  *partition
}

// follow opens, changes and closes what the image says.
func (h *hosted) follow(_ context.Context, im *coordinator.Image) {
	old := h.now.Load()
	next := &shelf{
		byName: make(map[string]*topic, len(old.byName)), byID: make(map[protocol.TopicID]*topic, len(old.byID)),
		layers: h.srv.settingLayers(),
	}
	f := &following{
		h: h, im: im, layers: next.layers, carry: settings.CarryTopicsOf(next.layers...), sameLayers: sameLayers(old.layers, next.layers),
	}
	if !f.sameLayers {
		h.srv.takeSettings()
	}
	if life := h.lifeIn(im); life != h.life {
		h.life, f.reborn = life, true
	}
	f.opening.SetLimit(int(h.srv.live.now().RecoveryThreads))
	for _, it := range im.Topics() {
		t := f.topic(old.byID[it.ID], it)
		next.byName[t.name], next.byID[t.id] = t, t
	}
	f.opening.Wait()
	f.list()
	h.now.Store(next)
	f.stand(next)
	for id, t := range old.byID {
		if next.byID[id] == nil {
			h.drop(t)
		}
	}
	for _, l := range f.left {
		h.discard(l.t, l.p)
	}
}

// lifeIn is the broker epoch in which the image shows this process; 0 before it
// has registered. What a predecessor left in the image is not this process.
func (h *hosted) lifeIn(im *coordinator.Image) protocol.BrokerEpoch {
	first := protocol.BrokerEpoch(h.registered.Load())
	self, live := im.Broker(h.srv.cfg.NodeID)
	if first == 0 || !live || self.Epoch < first {
		return h.life
	}
	return self.Epoch
}

// topic returns the topic as the image has it. What did not change is shared
// with the old one.
func (f *following) topic(old *topic, it *coordinator.Topic) *topic {
	if old != nil && old.of == it && f.sameLayers {
		return old
	}
	t := &topic{
		of: it, name: it.Name, id: it.ID, overrides: it.Configs, partitions: make([]*partition, len(it.Partitions)),
	}
	f.changed = append(f.changed, t)
	if old != nil {
		copy(t.partitions, old.partitions)
		t.metrics = old.metrics
	} else {
		t.metrics = f.h.srv.metrics.topic(it.Name)
	}
	f.settings(t, old)
	for i := range it.Partitions {
		f.noteISR(old, &it.Partitions[i])
		f.partition(t, &it.Partitions[i])
	}
	return t
}

// noteISR logs a change of in-sync replicas where this broker leads. Where nobody
// does, each that is left tells it.
func (f *following) noteISR(old *topic, ip *coordinator.Partition) {
	self := f.h.srv.cfg.NodeID
	tells := ip.Leader == self || ip.Leader == protocol.NoBroker && ip.InSync(self)
	if old != nil && int(ip.Index) < len(old.of.Partitions) && tells {
		f.h.srv.isrLog.note(old.name, &old.of.Partitions[ip.Index], ip)
	}
}

// settings takes a topic's new settings into force.
func (f *following) settings(t, old *topic) {
	if old != nil && f.sameLayers && maps.Equal(old.overrides, t.overrides) {
		t.settings, t.compression = old.settings, old.compression
		return
	}
	parsed, err := f.carry.Parse(t.name, t.overrides, f.layers...)
	if err != nil {
		f.h.srv.log.Error("topic settings do not parse; the defaults stand", "topic", t.name, "error", err)
		parsed = settings.Default()
	}
	t.settings, t.compression = parsed, compressionOf(parsed)
	for _, p := range t.partitions {
		if p != nil && p.Partition != nil {
			p.SetSettings(f.h.partitionSettings(parsed))
		}
	}
}

// partition opens what this broker is to hold, and notes what it no longer holds.
func (f *following) partition(t *topic, ip *coordinator.Partition) {
	self := f.h.srv.cfg.NodeID
	p := t.partitions[ip.Index]
	switch held := slices.Contains(ip.Replicas, self); {
	case !held && p != nil:
		t.partitions[ip.Index] = nil
		f.left = append(f.left, &placed{t, ip, p})
	case held && (p == nil || p.mayRecover(ip, self)):
		at := &placed{t: t, ip: ip}
		f.opened = append(f.opened, at)
		f.opening.Go(func() error {
			at.p = f.h.open(t, ip)
			t.partitions[ip.Index] = at.p
			return nil
		})
	}
}

// mayRecover reports whether a log that was lost may be made anew: nobody counts
// on this replica any more.
func (p *partition) mayRecover(ip *coordinator.Partition, self protocol.BrokerID) bool {
	return errors.Is(p.broken, errLogLost) && !ip.InSync(self)
}

// open opens one partition's log. One that will not open stays closed and says
// why to everyone who asks; the others go on.
func (h *hosted) open(t *topic, ip *coordinator.Partition) *partition {
	s := h.srv
	id := protocol.TopicPartition{Topic: t.id, Index: ip.Index}
	log := s.log.With("topic", t.name)
	dir := h.dir(t, ip.Index)
	if lost := h.whyLost(id, ip, dir); lost != nil {
		log.Error("partition stays closed", "partition", ip.Index, "dir", dir, "error", lost)
		return &partition{index: ip.Index, broken: lost, log: log}
	}
	p, err := replica.Open(replica.Options{
		FS: s.fs, Dir: dir, ID: id, Self: s.cfg.NodeID, Host: h.host, Base: s.base, Budget: s.budget,
		Settings: h.partitionSettings(t.settings), Limits: record.Limits{DecompressedBytesMax: s.cfg.DecompressedMax},
		LagMaxMs: s.cfg.LagTimeMax.Milliseconds(), NowMs: nowMs, Logger: log, Synced: s.metrics.synced, Full: s.disk.full,
	})
	if err != nil {
		return h.openBroken(ip, dir, log, err)
	}
	return &partition{Partition: p, index: ip.Index, log: log, stood: -1}
}

// whyLost is why the log must not be opened, or nil: the metadata counts on what
// it held, and does not have it.
func (h *hosted) whyLost(id protocol.TopicPartition, ip *coordinator.Partition, dir string) error {
	switch {
	case !ip.InSync(h.srv.cfg.NodeID):
		return nil
	case h.repaired.had(id) && !h.alone(ip):
		return errLogRepaired
	case h.kept.had(id) && h.missing(dir):
		return errLogLost
	}
	return nil
}

// alone reports whether nobody else holds the partition.
func (h *hosted) alone(ip *coordinator.Partition) bool {
	return len(ip.Replicas) == 1 && ip.Replicas[0] == h.srv.cfg.NodeID
}

// openBroken is a partition whose log will not open. Where nobody else has it,
// what is whole of it can be read.
func (h *hosted) openBroken(ip *coordinator.Partition, dir string, log *slog.Logger, err error) *partition {
	p := &partition{index: ip.Index, broken: err, log: log}
	if isCorrupt(err) && h.alone(ip) {
		p.whole, p.broken = openWhole(h.srv.fs, dir, h.srv.files, err)
	}
	if p.whole != nil {
		log.Error("partition takes no writes, and is read as far as it is whole", "partition", ip.Index, "end", p.whole.End(), "error", p.broken)
		return p
	}
	log.Error("partition stays closed", "partition", ip.Index, "error", err)
	return p
}

func (h *hosted) missing(dir string) bool {
	_, err := h.srv.fs.Stat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// list writes down what was opened, before anything is written to it.
func (f *following) list() {
	var ids []protocol.TopicPartition
	for _, o := range f.opened {
		if o.p.Partition != nil {
			ids = append(ids, o.p.ID())
		}
	}
	err := f.h.kept.add(ids)
	if err == nil {
		err = f.h.repaired.remove(ids) // what they have is all that there is, or is made up for by others
	}
	if err == nil {
		return
	}
	f.h.srv.log.Error("new partitions stay closed", "error", err)
	for _, o := range f.opened {
		if o.p.Partition != nil {
			err := errors.Join(err, o.p.Close())
			o.t.partitions[o.ip.Index] = &partition{index: o.ip.Index, broken: err, log: o.p.log}
		}
	}
}

// stand tells the partitions that the broker is registered, and what the image
// shows of them.
func (f *following) stand(next *shelf) {
	h := f.h
	if h.life == 0 {
		return
	}
	for _, o := range f.opened {
		if p := o.t.partitions[o.ip.Index]; p.whole != nil {
			continue // it is read here or nowhere
		} else if p.Partition == nil {
			h.srv.cluster.Resign(protocol.TopicPartition{Topic: o.t.id, Index: o.ip.Index}, h.life)
		} else if !f.reborn {
			p.Begin(h.life)
		}
	}
	topics := f.changed
	if f.reborn {
		topics = slices.Collect(maps.Values(next.byName))
	}
	for _, t := range topics {
		for i, p := range t.partitions {
			if p != nil && p.Partition != nil {
				f.standing(p, &t.of.Partitions[i])
			}
		}
	}
	for _, o := range f.opened {
		if p := o.t.partitions[o.ip.Index]; p.Partition != nil && o.ip.Leader == h.srv.cfg.NodeID {
			p.awaitStanding(o.ip)
		}
	}
}

func (f *following) standing(p *partition, ip *coordinator.Partition) {
	if f.reborn {
		p.Begin(f.h.life)
	}
	if p.stood != ip.PartitionEpoch {
		p.stood = ip.PartitionEpoch
		p.ApplyMetadata(ip.PartitionState)
	}
}

// standPatience bounds how long the reconciler waits for a new partition's loop.
const standPatience = time.Second

// awaitStanding returns when the partition's loop has taken in what it was told,
// so that whoever waited for a new topic finds it led.
func (p *partition) awaitStanding(ip *coordinator.Partition) {
	moved := replica.NewWatcher()
	p.Watch(moved)
	defer p.Unwatch(moved)
	patience := time.NewTimer(standPatience)
	defer patience.Stop()
	for p.State().Epoch < ip.LeaderEpoch {
		select {
		case <-moved.C:
		case <-patience.C:
			return
		}
	}
}

// lost lists the partitions whose logs are gone or will not open.
func (h *hosted) lost() (lost []protocol.TopicPartition) {
	for _, t := range h.now.Load().byName {
		for _, p := range t.partitions {
			if p != nil && p.broken != nil && p.whole == nil {
				lost = append(lost, protocol.TopicPartition{Topic: t.id, Index: p.index})
			}
		}
	}
	return lost
}

// discard closes a replica that this broker no longer holds and removes its data.
func (h *hosted) discard(t *topic, p *partition) {
	dir := h.dir(t, p.index)
	var err error
	switch {
	case p.Partition != nil:
		err = p.Delete()
	case p.whole != nil:
		_ = p.whole.Close() // what is wrong with it is known
	}
	h.kept.drop(protocol.TopicPartition{Topic: t.id, Index: p.index})
	if err = errors.Join(err, h.srv.fs.RemoveAll(dir)); err != nil {
		h.srv.log.Error("the data of a replica that is not held any more is not all gone", "dir", dir, "error", err)
	}
}

// drop closes a deleted topic and removes its data.
func (h *hosted) drop(t *topic) {
	h.srv.metrics.drop(t.name)
	for _, p := range t.partitions {
		if p != nil {
			h.discard(t, p)
		}
	}
}
