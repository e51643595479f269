package lock

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
)

// serialOrder is the graph of what all audited partitions say of who came before whom:
// an edge leads from a writer of a lock to whoever read or wrote it next, and from a
// reader to the next writer. Committed transactions and conditional appends have one
// serial order if and only if there is no circle in it.
//
// A transaction is one node in all its partitions: its markers there have one number,
// see record.Marker. Appends without lock headers named nothing, and are no nodes.
type serialOrder struct {
	nodes  []serialNode
	edges  []serialEdge
	ends   map[transactionEnd]endedAt
	halves []string // up to wrongListed
}

// serialNode is a transaction or an append, by its first record that was seen.
type serialNode struct {
	part        *serialPart
	offset      protocol.Offset
	transaction bool
}

type serialEdge struct{ before, after int32 }

// transactionEnd is what the markers of one transaction have in common.
type transactionEnd struct {
	producer protocol.ProducerID
	number   int64
}

type endedAt struct {
	node   int32
	commit bool
	marker serialNode
}

// serialPart is one partition's view of the order.
type serialPart struct {
	order *serialOrder
	name  string // topic-partition
	locks map[lockKey]*serialLock
	all   serialAll
}

// serialLock is a lock at a place of the log.
type serialLock struct {
	writer  int32   // the newest; noNode: none is known
	readers []int32 // since then
}

// serialAll is "*": whoever reads it comes after all nodes before, and before all others.
type serialAll struct {
	reader int32   // the newest; noNode
	since  []int32 // nodes after it
}

const noNode int32 = -1

func newSerialOrder() *serialOrder { return &serialOrder{ends: map[transactionEnd]endedAt{}} }

func (s *serialOrder) part(name string) *serialPart {
	return &serialPart{order: s, name: name, locks: map[lockKey]*serialLock{}, all: serialAll{reader: noNode}}
}

func (s *serialOrder) edge(before, after int32) {
	if before != noNode && before != after {
		s.edges = append(s.edges, serialEdge{before, after})
	}
}

func (p *serialPart) node(at protocol.Offset, transaction bool) int32 {
	p.order.nodes = append(p.order.nodes, serialNode{p, at, transaction})
	return int32(len(p.order.nodes) - 1)
}

// end is the node of a transaction whose marker is read; noNode if it was aborted. A
// transaction that has another end elsewhere is half committed, and is noted.
func (p *serialPart) end(t *auditedTransaction, number int64, commit bool, marker protocol.Offset) int32 {
	s, key := p.order, transactionEnd{t.producer, number}
	here := endedAt{noNode, commit, serialNode{p, marker, true}}
	other, known := s.ends[key]
	known = known && number != 0
	if known && other.commit != commit && len(s.halves) < wrongListed {
		s.halves = append(s.halves, fmt.Sprintf("the transaction of producer %d that is %s by %s is %s by %s",
			int64(t.producer), endWord(other.commit), other.marker, endWord(commit), here.marker))
	}
	if known && other.node != noNode {
		return other.node
	}
	if commit {
		here.node = p.node(t.first, true)
	}
	if number != 0 && !known {
		s.ends[key] = here
	}
	return here.node
}

func endWord(commit bool) string {
	if commit {
		return "committed"
	}
	return "aborted"
}

// use notes that a node reads or writes a lock.
func (p *serialPart) use(node int32, lock lockKey, writes bool) {
	l := p.locks[lock]
	if l == nil {
		l = &serialLock{writer: noNode}
		p.locks[lock] = l
	}
	p.order.edge(l.writer, node)
	if !writes {
		l.readers = append(l.readers, node)
		return
	}
	for _, r := range l.readers {
		p.order.edge(r, node)
	}
	l.writer, l.readers = node, l.readers[:0]
}

// came notes that a node's records count from here on; readsAll: it reads "*".
func (p *serialPart) came(node int32, readsAll bool) {
	p.order.edge(p.all.reader, node)
	if !readsAll {
		p.all.since = append(p.all.since, node)
		return
	}
	for _, n := range p.all.since {
		p.order.edge(n, node)
	}
	p.all.reader, p.all.since = node, p.all.since[:0]
}

// append notes an append outside of transactions.
func (p *serialPart) append(one []auditedRecord) {
	node, readsAll := noNode, false
	for pass := range 2 { // reads first, since nobody comes behind himself
		for i := range one {
			for j := range one[i].request.Items {
				item := &one[i].request.Items[j]
				if node == noNode {
					node = p.node(one[0].offset, false)
				}
				switch {
				case item.All:
					readsAll = readsAll || item.Kind.Judged()
				case (pass == 1) == item.Kind.Marks():
					p.use(node, keyOf(item.Name), item.Kind.Marks())
				}
			}
		}
	}
	if node != noNode {
		p.came(node, readsAll)
	}
}

func (n serialNode) String() string { return fmt.Sprintf("%s offset %v", n.part.name, n.offset) }

// circle is nodes that each come before the next, and the last before the first; nil: there
// is a serial order. It takes off what nothing comes before, until only circles and what is
// behind them are left.
func (s *serialOrder) circle() []serialNode {
	before := make([]int32, len(s.nodes)) // how many edges lead to a node
	slices.SortFunc(s.edges, func(a, b serialEdge) int { return int(a.before) - int(b.before) })
	from := make([]int32, len(s.nodes)+1) // a node's edges are s.edges[from[n]:from[n+1]]
	for _, e := range s.edges {
		before[e.after]++
		from[e.before+1]++
	}
	var free []int32
	for n := range s.nodes {
		from[n+1] += from[n]
		if before[n] == 0 {
			free = append(free, int32(n))
		}
	}
	left := len(s.nodes)
	for ; len(free) > 0; left-- {
		n := free[len(free)-1]
		free = free[:len(free)-1]
		for _, e := range s.edges[from[n]:from[n+1]] {
			if before[e.after]--; before[e.after] == 0 {
				free = append(free, e.after)
			}
		}
	}
	if left == 0 {
		return nil
	}
	return s.walkBack(before)
}

// walkBack finds a circle among the nodes that something comes before: from any of them the
// way back never ends, and so meets itself.
func (s *serialOrder) walkBack(before []int32) (circle []serialNode) {
	earlier := map[int32]int32{}
	at := noNode
	for _, e := range s.edges {
		if before[e.before] > 0 && before[e.after] > 0 {
			earlier[e.after], at = e.before, e.before
		}
	}
	met := map[int32]bool{}
	for ; !met[at]; at = earlier[at] {
		met[at] = true
	}
	for first := at; len(circle) == 0 || at != first; at = earlier[at] {
		circle = append(circle, s.nodes[at])
	}
	slices.Reverse(circle)
	return circle
}

// faults says in words why there is no serial order; nothing if there is one.
func (s *serialOrder) faults() []string {
	found := s.halves
	circle := s.circle()
	if circle == nil {
		return found
	}
	var words []string
	for _, n := range append(circle, circle[0]) {
		kind := "the append"
		if n.transaction {
			kind = "the transaction"
		}
		words = append(words, fmt.Sprintf("%s at %s", kind, n))
	}
	return append(found, "there is no serial order: "+strings.Join(words, " before "))
}
