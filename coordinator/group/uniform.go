package group

import (
	"cmp"
	"slices"
)

// assignUniform gives members as equal numbers of partitions as their
// subscriptions allow, and moves as few partitions as that takes.
func assignUniform(askers []asker) map[string]Partitions {
	if len(askers) == 0 {
		return nil
	}
	u := newUniform(askers)
	u.keep()
	u.fill()
	u.even()
	return u.done()
}

// uniform is one assignment in the making. Members are named by their place in
// askers.
type uniform struct {
	askers []asker
	topics []Topic           // in the order in which they are filled
	reads  map[TopicID][]int // who subscribes to the topic
	owner  map[place]int     // of what is given
	loads  []int             // partitions that each member has
	alike  bool              // all subscribe to the same
	known  map[TopicID]Topic
}

func newUniform(askers []asker) *uniform {
	u := &uniform{
		askers: askers, reads: make(map[TopicID][]int), owner: make(map[place]int),
		loads: make([]int, len(askers)), known: make(map[TopicID]Topic), alike: true,
	}
	for i := range askers {
		for _, t := range askers[i].topics {
			if _, ok := u.known[t.ID]; !ok {
				u.known[t.ID] = t
				u.topics = append(u.topics, t)
			}
			u.reads[t.ID] = append(u.reads[t.ID], i)
		}
		u.alike = u.alike && slices.Equal(askers[i].topics, askers[0].topics)
	}
	// Topics that few can read come first: the others can make up for them.
	slices.SortFunc(u.topics, func(a, b Topic) int {
		return cmp.Or(cmp.Compare(len(u.reads[a.ID]), len(u.reads[b.ID])), cmp.Compare(a.Name, b.Name))
	})
	return u
}

// keep leaves members what they have, as far as it is there and theirs to read.
// Where all read the same, nobody keeps more than its share.
func (u *uniform) keep() {
	quota := u.quotas()
	for i := range u.askers {
		has := u.askers[i].has
		for _, id := range has.TopicIDs() {
			if _, reads := slices.BinarySearch(u.reads[id], i); !reads {
				continue
			}
			for _, p := range has[id] {
				at := place{id, p}
				if _, taken := u.owner[at]; taken || p >= u.known[id].Partitions || !quota.allows(u.loads[i]) {
					continue
				}
				u.give(at, i)
				quota.count(u.loads[i])
			}
		}
	}
}

func (u *uniform) give(p place, to int) {
	u.owner[p] = to
	u.loads[to]++
}

// quotas is what members who all read the same may have: each least, and more of
// them one more.
type quotas struct {
	least, more int
	bounded     bool
}

func (u *uniform) quotas() *quotas {
	total := 0
	for _, t := range u.topics {
		total += int(t.Partitions)
	}
	n := len(u.askers)
	return &quotas{total / n, total % n, u.alike}
}

func (q *quotas) allows(load int) bool {
	return !q.bounded || load < q.least || load == q.least && q.more > 0
}

func (q *quotas) count(load int) {
	if load == q.least+1 {
		q.more--
	}
}

// fill gives what nobody has to the reader with the least, topic by topic.
func (u *uniform) fill() {
	for _, t := range u.topics {
		least := u.byLoad(u.reads[t.ID])
		for p := range t.Partitions {
			at := place{t.ID, p}
			if _, taken := u.owner[at]; !taken {
				to := least.first()
				u.give(at, to)
				least.sink()
			}
		}
	}
}

// evenMovesMax bounds the moves of one assignment beyond one for each partition.
const evenMovesMax = 1000

// even moves partitions from members with more to readers with at least two
// fewer, until there are none. Where all read the same there is nothing to do.
func (u *uniform) even() {
	if u.alike {
		return
	}
	for moves := len(u.owner) + evenMovesMax; moves > 0; {
		moved := 0
		for _, t := range u.topics {
			moved += u.evenTopic(t)
		}
		if moved == 0 {
			return
		}
		moves -= moved
	}
}

func (u *uniform) evenTopic(t Topic) (moved int) {
	least := u.byLoad(u.reads[t.ID])
	for p := range t.Partitions {
		at := place{t.ID, p}
		from, to := u.owner[at], least.first()
		if u.loads[from] < u.loads[to]+2 {
			continue
		}
		u.loads[from]--
		u.give(at, to)
		least = u.byLoad(u.reads[t.ID])
		moved++
	}
	return moved
}

func (u *uniform) done() map[string]Partitions {
	s := shares{}
	for p, i := range u.owner {
		s.give(u.askers[i].id, p)
	}
	return s.done(u.askers)
}

// byLoad is a heap of members, the one with the least on top.
type byLoad struct {
	u    *uniform
	heap []int
}

func (u *uniform) byLoad(members []int) *byLoad {
	h := &byLoad{u, slices.Clone(members)}
	slices.SortFunc(h.heap, func(a, b int) int { return cmp.Or(cmp.Compare(u.loads[a], u.loads[b]), cmp.Compare(a, b)) })
	return h
}

func (h *byLoad) first() int { return h.heap[0] }

// sink puts the first, whose load has risen, where it belongs.
func (h *byLoad) sink() {
	less := func(a, b int) bool {
		if la, lb := h.u.loads[a], h.u.loads[b]; la != lb {
			return la < lb
		}
		return a < b
	}
	for i := 0; ; {
		small := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(h.heap) && less(h.heap[child], h.heap[small]) {
				small = child
			}
		}
		if small == i {
			return
		}
		h.heap[i], h.heap[small] = h.heap[small], h.heap[i]
		i = small
	}
}
