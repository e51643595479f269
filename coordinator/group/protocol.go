package group

import "slices"

// protocolsMax bounds the protocols that one member may offer.
const protocolsMax = 64

// fits reports whether a member with these protocols can be in the group: it is
// of the group's type and can do something that all members can.
func (g *group) fits(protocolType string, protocols []Protocol, except *member) bool {
	if protocolType == "" || len(protocols) == 0 || len(protocols) > protocolsMax {
		return false
	}
	if slices.ContainsFunc(protocols, func(p Protocol) bool { return p.Name == "" }) {
		return false
	}
	if len(g.members) == 0 {
		return true
	}
	if g.protocolType != protocolType {
		return false
	}
	return slices.ContainsFunc(protocols, func(p Protocol) bool { return g.allSupport(p.Name, except) })
}

func (g *group) allSupport(protocol string, except *member) bool {
	return !slices.ContainsFunc(g.members, func(m *member) bool {
		return m != except && !slices.ContainsFunc(m.protocols, func(p Protocol) bool { return p.Name == protocol })
	})
}

// choose is the protocol of the next generation: each member votes for the first
// of its own that all can do; of equals, the one wins that was voted for first.
func (g *group) choose() string {
	// A protocol counts once a member, however often it lists it.
	supporters := make(map[string]int)
	for _, m := range g.members {
		for i, p := range m.protocols {
			if !slices.ContainsFunc(m.protocols[:i], func(q Protocol) bool { return q.Name == p.Name }) {
				supporters[p.Name]++
			}
		}
	}
	// Each member has one vote, for the first of its own that all support.
	votes := make(map[string]int)
	var order []string
	for _, m := range g.members {
		for _, p := range m.protocols {
			if supporters[p.Name] == len(g.members) {
				if votes[p.Name]++; votes[p.Name] == 1 {
					order = append(order, p.Name)
				}
				break
			}
		}
	}
	best := ""
	for _, name := range order {
		if votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// consumerType is the protocol type of consumers. What others subscribe to, if
// they do, is not known here.
const consumerType = "consumer"

// subscriptions are the topics that the members of a consumer group subscribe
// to; nil if that cannot be told.
func (g *group) subscriptions() map[string]bool {
	if g.protocolType != consumerType || g.protocol == "" || len(g.members) == 0 {
		return nil
	}
	topics := make(map[string]bool)
	for _, m := range g.members {
		names, ok := subscribedTopics(m.metadata(g.protocol))
		if !ok {
			return nil
		}
		for _, name := range names {
			topics[name] = true
		}
	}
	return topics
}

// subscribedTopics reads the head of a consumer's subscription: a version and
// the topics. All versions begin so.
func subscribedTopics(metadata []byte) ([]string, bool) {
	r := reader{rest: metadata}
	version := r.int16()
	n := r.int32()
	if r.bad || version < 0 || n < 0 || int(n) > len(r.rest)/2 {
		return nil, false
	}
	names := make([]string, 0, n)
	for range n {
		names = append(names, r.str(false))
	}
	return names, !r.bad
}
