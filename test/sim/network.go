package sim

// Nodes of the network: 0 is the metadata store, 1 to n are the brokers, and
// clients come behind them.
const storeNode = 0

// network carries messages between nodes, or does not. A message may come late,
// twice, in another order, or never; links are cut one way at a time.
type network struct {
	w         *World
	cut       map[[2]int]bool
	loss      float64
	duplicate float64
	slow      float64 // share of messages that take far longer
	delayMax  int64   // of the others, in microseconds
}

// send has do run at the other end, unless the message is lost.
func (n *network) send(from, to int, do func()) {
	n.carry(from, to, do)
	if n.w.chance(n.duplicate) {
		n.carry(from, to, do)
	}
}

func (n *network) carry(from, to int, do func()) {
	if n.w.chance(n.loss) {
		return
	}
	delay := 50 + n.w.rng.Int64N(n.delayMax)
	if n.slowBetween(from, to) && n.w.chance(n.slow) {
		delay += n.w.rng.Int64N(400 * ms)
	}
	n.w.after(delay, func() {
		if n.cut[[2]int{from, to}] {
			return
		}
		n.w.deliver(to, do)
	})
}

// slowBetween is all links; when leadership moves all the time, those between
// brokers alone, so that fetches of one epoch come late in another.
func (n *network) slowBetween(from, to int) bool {
	brokers := len(n.w.brokers)
	return !n.w.o.LeadershipMoves || from != storeNode && to != storeNode && from <= brokers && to <= brokers
}

func (n *network) heal() {
	clear(n.cut)
	n.loss, n.duplicate, n.slow = 0, 0, 0
}

// isolate cuts a node off from the nodes listed, in one direction or both.
func (n *network) isolate(node int, from []int, in, out bool) {
	for _, other := range from {
		if other == node {
			continue
		}
		if in {
			n.cut[[2]int{other, node}] = true
		}
		if out {
			n.cut[[2]int{node, other}] = true
		}
	}
}

// deliver runs do at a node, now or when a paused broker goes on. What comes to a
// broker that is down is lost.
func (w *World) deliver(node int, do func()) {
	if node < 1 || node > len(w.brokers) {
		do()
		return
	}
	b := w.brokers[node-1]
	switch {
	case b.paused:
		b.deferred = append(b.deferred, do)
	case b.up:
		do()
	}
}
