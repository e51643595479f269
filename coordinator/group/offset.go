package group

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// TopicPartition names a partition as commits do.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Offset is what a group has committed for one partition.
type Offset struct {
	Offset      int64
	LeaderEpoch int32 // -1: not known
	Metadata    string
	CommitMs    int64
	ExpireMs    int64 // -1: by the broker's retention
}

// CommitRequest stores offsets. Generation -1 and no member stand for a client
// that uses a group for its offsets only.
type CommitRequest struct {
	Group, Member, Instance string
	Generation              int32 // or member epoch
	RetentionMs             int64 // -1: the broker's
	KnowsEpochs             bool  // the client understands errors about epochs (v9)
	Offsets                 []Commit
}

// Commit is one partition's offset.
type Commit struct {
	TopicPartition
	Offset      int64
	LeaderEpoch int32
	Metadata    string
}

// checkMetadata holds what is kept beside an offset to its bound.
func (c *Coordinator) checkMetadata(o *Commit) error {
	if most, bound := c.cfg.MetadataBytesMax.Get(); bound && int64(len(o.Metadata)) > most {
		return ErrMetadataTooLarge
	}
	return nil
}

// Commit handles an OffsetCommit: an error for all, or one, or nil, for each offset.
func (c *Coordinator) Commit(now int64, r CommitRequest) ([]error, Effects, error) {
	g, err := c.committing(now, &r)
	if err != nil {
		return nil, Effects{}, err
	}
	errs := make([]error, len(r.Offsets))
	for i := range r.Offsets {
		o := &r.Offsets[i]
		if errs[i] = c.checkMetadata(o); errs[i] != nil {
			continue
		}
		expire := int64(-1)
		if r.RetentionMs >= 0 {
			expire = now + r.RetentionMs
		}
		c.store(g, o.TopicPartition, Offset{o.Offset, o.LeaderEpoch, o.Metadata, now, expire})
	}
	c.removeIfEmpty(g)
	return errs, c.take(), nil
}

// committing finds the group and holds the writer against it.
func (c *Coordinator) committing(now int64, r *CommitRequest) (*group, error) {
	if len(r.Group) > c.cfg.GroupIDBytesMax {
		return nil, ErrInvalidGroupID
	}
	g := c.groups[r.Group]
	switch {
	case g == nil && r.Generation >= 0:
		return nil, ErrIllegalGeneration
	case g == nil:
		return c.obtain(r.Group, now)
	case g.modern != nil:
		return g, c.checkCommit(g.modern, r)
	case g.state == Empty && r.Generation < 0:
		return g, nil
	case r.Generation < 0 && r.Member == "" && r.Instance == "":
		return nil, ErrUnknownMember // the group's members decide on its offsets
	}
	m, err := g.member(r.Member, r.Instance)
	switch {
	case err != nil:
		return nil, err
	case r.Generation != g.generation:
		return nil, ErrIllegalGeneration
	}
	if !m.fresh {
		c.resetSession(m, now)
	}
	if g.state == CompletingRebalance {
		return nil, ErrRebalanceInProgress // who owns what is not decided
	}
	return g, nil
}

// checkCommit holds a commit against a group of the consumer protocol. A member
// that has been led on commits with its old epoch until it has heard of that: it
// may, for partitions that it has had since then or earlier (KIP-1251).
func (c *Coordinator) checkCommit(mg *modern, r *CommitRequest) error {
	// Whoever assigns partitions himself may commit while nobody else is there.
	if r.Generation < 0 && len(mg.members) == 0 {
		return nil
	}
	m, err := mg.member(r.Member, "")
	switch {
	case err != nil:
		return err
	case m.classic != nil && r.Generation != m.epoch:
		return ErrIllegalGeneration
	case m.classic == nil && !r.KnowsEpochs:
		return ErrOldCommit
	case r.Generation == m.epoch:
		return nil
	case r.Generation > m.epoch || r.Generation < 0:
		return ErrStaleEpoch
	}
	// An older epoch: what the member held by then, and holds still, nobody else has committed to since.
	for i := range r.Offsets {
		t, ok := c.topics.Topic(r.Offsets[i].Topic)
		h := mg.held[place{t.ID, r.Offsets[i].Partition}]
		if !ok || h.by != m || h.since > r.Generation {
			return ErrStaleEpoch
		}
	}
	return nil
}

func (c *Coordinator) store(g *group, tp TopicPartition, o Offset) {
	g.supersede(tp, math.MaxUint64)
	g.put(tp, o)
	c.append(Record{offsetKey(g.id, tp), offsetValue(o)})
}

func (g *group) put(tp TopicPartition, o Offset) {
	if g.offsets == nil {
		g.offsets = make(map[TopicPartition]Offset)
	}
	g.offsets[tp] = o
}

// Committed is one partition's offset in an OffsetFetch; Found is false, and
// Offset -1, if there is none. Undecided: an open transaction has another.
type Committed struct {
	TopicPartition
	Offset
	Found     bool
	Undecided bool
}

// MayFetch holds a member that reads offsets against its group. Who names no
// member may always, as may all in classic groups.
func (c *Coordinator) MayFetch(groupID, memberID string, epoch int32) error {
	g := c.groups[groupID]
	if g == nil || g.modern == nil || memberID == "" && epoch < 0 {
		return nil
	}
	m, err := g.modern.member(memberID, "")
	switch {
	case err != nil:
		return err
	case m.epoch == epoch:
		return nil
	case m.classic != nil:
		return ErrIllegalGeneration
	default:
		return ErrStaleEpoch
	}
}

// Fetch finds the offsets of these partitions, in their order.
func (c *Coordinator) Fetch(groupID string, partitions []TopicPartition) []Committed {
	all := make([]Committed, len(partitions))
	g := c.groups[groupID]
	if g == nil {
		g = &group{}
	}
	for i, tp := range partitions {
		o, ok := g.offsets[tp]
		if !ok {
			o = Offset{Offset: -1, LeaderEpoch: -1}
		}
		all[i] = Committed{tp, o, ok, g.isUndecided(tp)}
	}
	return all
}

// FetchAll finds all offsets of a group, by topic and partition; with undecided,
// also the partitions for which there are none but in open transactions.
func (c *Coordinator) FetchAll(groupID string, undecided bool) []Committed {
	g := c.groups[groupID]
	if g == nil {
		return nil
	}
	partitions := g.committed()
	if undecided {
		partitions = g.withUndecided(partitions)
	}
	return c.Fetch(groupID, partitions)
}

// committed are the partitions that the group has offsets for, in order.
func (g *group) committed() []TopicPartition {
	all := make([]TopicPartition, 0, len(g.offsets))
	for tp := range g.offsets {
		all = append(all, tp)
	}
	return sortedPartitions(all)
}

func sortedPartitions(all []TopicPartition) []TopicPartition {
	slices.SortFunc(all, func(a, b TopicPartition) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all
}

// DeleteOffsets handles an OffsetDelete: an error for all, or one, or nil, for
// each partition. Offsets of topics that live members read stay, and those that an
// open transaction is about to replace: its commit would lose what was deleted.
func (c *Coordinator) DeleteOffsets(groupID string, partitions []TopicPartition) ([]error, Effects, error) {
	g := c.groups[groupID]
	switch {
	case g == nil:
		return nil, Effects{}, NotFound(groupID)
	case g.status() != Empty && g.protocolType != consumerType:
		return nil, Effects{}, ErrNonEmptyGroup
	}
	errs := make([]error, len(partitions))
	for i, tp := range partitions {
		if g.reads(tp.Topic) || g.isUndecided(tp) {
			errs[i] = ErrSubscribed
			continue
		}
		c.erase(g, tp)
	}
	c.removeIfEmpty(g)
	return errs, c.take(), nil
}

// reads reports whether members may be reading the topic.
func (g *group) reads(topic string) bool {
	if g.modern != nil {
		_, reads := g.modern.topics[topic]
		return reads
	}
	return g.state != Empty && (g.topics == nil || g.topics[topic])
}

// erase forgets one offset, if there is one.
func (c *Coordinator) erase(g *group, tp TopicPartition) {
	if _, ok := g.offsets[tp]; ok {
		c.forget(g, tp)
	}
}

func (c *Coordinator) forget(g *group, tp TopicPartition) {
	g.supersede(tp, math.MaxUint64)
	delete(g.offsets, tp)
	c.append(Record{Key: offsetKey(g.id, tp)})
}

// ForgetTopic erases the offsets of a topic that was deleted, in all groups. Those of
// open transactions are none, too, whatever becomes of these.
func (c *Coordinator) ForgetTopic(topic string) Effects {
	for _, id := range c.sorted() {
		g := c.groups[id]
		for _, tp := range g.withUndecided(g.committed()) {
			if tp.Topic == topic {
				c.forget(g, tp)
			}
		}
		c.removeIfEmpty(g)
	}
	return c.take()
}
