package image

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
)

// Image ends the fold. The image is good even when there is an error: that
// tells of what was left as it was.
func (f *Fold) Image(revision int64) (*Image, error) {
	f.next.Revision = revision
	if f.acls != nil {
		f.next.acls = f.acls.Set()
	}
	if len(f.byID) > 0 {
		f.next.topics = f.merge(f.base.topics, func(a, b *Topic) int { return cmp.Compare(a.Name, b.Name) })
		f.next.topicsByID = f.merge(f.base.topicsByID, func(a, b *Topic) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		f.next.partitions = f.countPartitions()
	}
	return &f.next, errors.Join(f.notes...)
}

// edit takes a topic out of a sorted slice of them, or puts one in.
type edit struct {
	topic *Topic
	in    bool
}

// merge makes a sorted slice of the new image's topics out of the base's. What
// lies between two edits is copied as a run.
func (f *Fold) merge(base []*Topic, order func(a, b *Topic) int) []*Topic {
	merged := make([]*Topic, 0, len(base)+len(f.byID))
	for _, e := range f.edits(order) {
		i, _ := slices.BinarySearchFunc(base, e.topic, order)
		merged, base = append(merged, base[:i]...), base[i:]
		if e.in {
			merged = append(merged, e.topic)
		} else {
			base = base[1:]
		}
	}
	return append(merged, base...)
}

// edits are the differences to the base, in order; of two at one place, out comes first.
func (f *Fold) edits(order func(a, b *Topic) int) []edit {
	var edits []edit
	for id, t := range f.byID {
		if old, ok := f.base.TopicByID(id); ok {
			edits = append(edits, edit{topic: old})
		}
		if t != nil {
			edits = append(edits, edit{topic: t, in: true})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int {
		if c := order(a.topic, b.topic); c != 0 {
			return c
		}
		if a.in == b.in {
			return 0
		}
		if b.in {
			return -1
		}
		return 1
	})
	return edits
}

func (f *Fold) countPartitions() int {
	n := f.base.partitions
	for id, t := range f.byID {
		if old, ok := f.base.TopicByID(id); ok {
			n -= len(old.Partitions)
		}
		if t != nil {
			n += len(t.Partitions)
		}
	}
	return n
}
